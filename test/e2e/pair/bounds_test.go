package pair

import (
	"testing"
	"time"
)

// advert is the interval of the tests: the default.
const advert = time.Second

// What the lab adds: it has one slow processor, and a request that fails takes its whole timeout to do so.
const (
	slack    = 900 * time.Millisecond // to a gap
	slackTwo = 50 * time.Millisecond  // to the time of two holders
)

// hold reports what went past the bounds.
func (o outcome) hold(t *testing.T, most bounds) {
	t.Helper()
	t.Log(o)
	if o.gap > most.gap+slack+o.lab {
		t.Errorf("no service for %s, want at most %s (%s)", o.gap, most.gap, most.because)
	}
	if o.holding.More > most.two+slackTwo {
		t.Errorf("two holders for %s, want at most %s (%s)", o.holding.More, most.two, most.because)
	}
	if most.changes >= 0 && len(o.holding.Changes) > most.changes {
		t.Errorf("%d changes of holder, want at most %d (%s)", len(o.holding.Changes), most.changes, most.because)
	}
}

// TestUnnoticed lets all that must go unnoticed happen to one pair, one after the other. Its adverts are slow, for a process
// that died may go on for two of their intervals, and the lab may take more than a second to start it.
func TestUnnoticed(t *testing.T) {
	const advert = 2 * time.Second
	p := newPair(t, lvsd, advert)
	for _, f := range faults {
		if most := f.bound(timesOf(advert)); most.changes == 0 {
			t.Run(f.name, func(t *testing.T) { p.measure(f).hold(t, most) })
		}
	}
}

// TestMoves holds each move of the VIP to its bounds. Loss and load, of which only long runs say anything, are left to
// the benchmark.
func TestMoves(t *testing.T) {
	for _, f := range faults {
		if most := f.bound(timesOf(advert)); most.changes > 0 {
			t.Run(f.name, func(t *testing.T) { newPair(t, lvsd, advert).measure(f).hold(t, most) })
		}
	}
}
