package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/pkg/reconcile"
)

// turns records what a Loop does: "0s set 1", "2s resync 1".
type turns struct {
	began time.Time
	did   []string
	busy  time.Duration
	fails time.Duration // every turn before this long after began
}

func (r *turns) apply(value int, fresh bool) error {
	what := "resync"
	if fresh {
		what = "set"
	}
	r.did = append(r.did, fmt.Sprintf("%s %s %d", time.Since(r.began), what, value))
	time.Sleep(r.busy)
	if time.Since(r.began) < r.fails {
		return errors.New("no")
	}
	return nil
}

func (r *turns) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(r.did, want) {
		t.Errorf("got  %q\nwant %q", r.did, want)
	}
}

// loop runs do beside a Loop that retries after 700 ms and resyncs every 2 s, closes it and waits.
func loop(t *testing.T, r *turns, do func(*reconcile.Loop[int])) {
	synctest.Test(t, func(t *testing.T) {
		r.began = time.Now()
		l := reconcile.NewLoop(r.apply, 700*time.Millisecond, 2*time.Second)
		ended := make(chan struct{})
		go func() { l.Run(); close(ended) }()
		do(l)
		l.Close()
		<-ended
	})
}

func TestLoopResyncsWhatWasSet(t *testing.T) {
	var r turns
	loop(t, &r, func(l *reconcile.Loop[int]) {
		time.Sleep(time.Minute) // nothing was set: nothing is done
		l.Set(1)
		time.Sleep(5 * time.Second)
	})
	r.want(t, "1m0s set 1", "1m2s resync 1", "1m4s resync 1")
}

func TestLoopLatestWins(t *testing.T) {
	r := turns{busy: 500 * time.Millisecond}
	loop(t, &r, func(l *reconcile.Loop[int]) {
		l.Set(1)
		synctest.Wait() // apply is busy with 1
		before := time.Now()
		for i := range 100 {
			l.Set(i + 2)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("Set blocked for %s", waited)
		}
		time.Sleep(time.Second)
	})
	r.want(t, "0s set 1", "500ms set 101")
}

func TestLoopRetries(t *testing.T) {
	r := turns{fails: 2050 * time.Millisecond}
	loop(t, &r, func(l *reconcile.Loop[int]) {
		l.Set(1)
		time.Sleep(5 * time.Second)
	})
	r.want(t, "0s set 1", "700ms set 1", "1.4s set 1", "2s resync 1", "2.1s set 1", "4s resync 1")
}

func TestLoopSetTakesThePlaceOfARetry(t *testing.T) {
	r := turns{fails: time.Millisecond}
	loop(t, &r, func(l *reconcile.Loop[int]) {
		l.Set(1)
		time.Sleep(500 * time.Millisecond)
		l.Set(2)
		time.Sleep(time.Second)
	})
	r.want(t, "0s set 1", "500ms set 2")
}

func TestLoopManySetsDoNotStarveResync(t *testing.T) {
	var r turns
	loop(t, &r, func(l *reconcile.Loop[int]) {
		for range 50 {
			l.Set(1)
			time.Sleep(100 * time.Millisecond)
		}
	})
	resyncs := 0
	for _, did := range r.did {
		if did == "2s resync 1" || did == "4s resync 1" {
			resyncs++
		}
	}
	if resyncs != 2 || len(r.did) != 52 {
		t.Errorf("%d turns, %d resyncs at their time, want 52 and 2: %q", len(r.did), resyncs, r.did)
	}
}

func TestLoopAppliesTheLastValueBeforeItEnds(t *testing.T) {
	r := turns{busy: time.Second}
	loop(t, &r, func(l *reconcile.Loop[int]) {
		l.Set(1)
		synctest.Wait()
		l.Set(2)
		l.Close()
		l.Set(3)
	})
	r.want(t, "0s set 1", "1s set 2")
}

func TestLoopAge(t *testing.T) {
	r := turns{busy: 10 * time.Second}
	loop(t, &r, func(l *reconcile.Loop[int]) {
		time.Sleep(time.Second)
		if got := l.Age(); got != time.Second {
			t.Errorf("before the first turn: %s", got)
		}
		l.Set(1)
		time.Sleep(9 * time.Second)
		if got := l.Age(); got != 10*time.Second {
			t.Errorf("while a turn hangs: %s", got)
		}
		time.Sleep(2 * time.Second)
		if got := l.Age(); got != time.Second {
			t.Errorf("after a turn: %s", got)
		}
	})
}
