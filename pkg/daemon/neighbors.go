package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/neighbor"
)

// Neighbors asks whether this host still reaches anybody. It remembers the gateways that it has seen: a link that goes
// down takes its default route with it, and then there would be nobody left to ask. Any goroutine may use it.
type Neighbors struct {
	mu       sync.Mutex
	gateways []netip.Addr
}

// Look learns the gateways as they are now.
func (n *Neighbors) Look() {
	now, err := neighbor.Gateways()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil && len(now) > 0 {
		n.gateways = now
	}
}

// Ask asks all of addrs, or without any the gateways, at once. One answer is enough.
func (n *Neighbors) Ask(ctx context.Context, addrs []netip.Addr) director.Probed {
	n.Look()
	if len(addrs) == 0 {
		n.mu.Lock()
		addrs = n.gateways
		n.mu.Unlock()
	}
	if len(addrs) == 0 {
		return director.Probed{Unasked: true, Words: "no gateway and no suspect.probe to ask"}
	}
	answers := make([]neighbor.Answer, len(addrs))
	errs := make([]error, len(addrs))
	var asking sync.WaitGroup
	for i, addr := range addrs {
		asking.Go(func() { answers[i], errs[i] = neighbor.Probe(ctx, addr) })
	}
	asking.Wait()
	return judge(addrs, answers, errs)
}

// judge takes the answers together. Silence counts only where it was really asked, or where this host is cut off.
func judge(addrs []netip.Addr, answers []neighbor.Answer, errs []error) director.Probed {
	var silent, unasked []string
	for i, err := range errs {
		switch {
		case err == nil:
			return director.Probed{Answered: true, Words: answers[i].String()}
		case errors.Is(err, neighbor.ErrSilent), errors.Is(err, neighbor.ErrCutOff):
			silent = append(silent, fmt.Sprintf("%v: %v", addrs[i], err))
		default:
			unasked = append(unasked, fmt.Sprintf("%v: %v", addrs[i], err))
		}
	}
	if len(silent) > 0 {
		return director.Probed{Words: strings.Join(silent, "; ")}
	}
	return director.Probed{Unasked: true, Words: strings.Join(unasked, "; ")}
}
