package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/lvsd/lvsd/pkg/neighbor"
)

func TestOneAnswerIsEnough(t *testing.T) {
	other := errors.New("not on a link")
	silent, cut := fmt.Errorf("probe: %w", neighbor.ErrSilent), fmt.Errorf("probe: %w", neighbor.ErrCutOff)
	for _, r := range []struct {
		errs              []error
		answered, unasked bool
	}{
		{[]error{nil}, true, false},
		{[]error{silent, nil}, true, false},
		{[]error{silent}, false, false},
		{[]error{cut}, false, false},
		{[]error{other}, false, true},
		{[]error{other, silent}, false, false},
		{[]error{other, nil}, true, false},
	} {
		addrs := make([]netip.Addr, len(r.errs))
		got := judge(addrs, make([]neighbor.Answer, len(r.errs)), r.errs)
		if got.Answered != r.answered || got.Unasked != r.unasked || got.Words == "" {
			t.Errorf("%v: %+v, want answered %v, unasked %v", r.errs, got, r.answered, r.unasked)
		}
	}
}
