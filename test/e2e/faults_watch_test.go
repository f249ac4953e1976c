package e2e

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/lab"
)

// watch reads one virtual service straight from the kernel, over and over, and keeps each change of what is in service.
type watch struct {
	key    lvs.Key
	kernel *ipvs.Netlink
	quit   chan struct{}
	done   chan struct{}

	mu    sync.Mutex
	moves []move
	in    map[netip.Addr]bool
	looks int
	err   error
}

// move is a server that came into service or left it, between two looks at the kernel.
type move struct {
	at     time.Time // of the look that saw it
	server netip.Addr
	in     bool
}

func (m move) String() string {
	word := "out"
	if m.in {
		word = "in"
	}
	return fmt.Sprintf("%s %s %s", m.at.Format("05.000"), m.server, word)
}

// watchTable begins to watch; what is in service now is no move.
func watchTable(t *testing.T, host *lab.Host, virtual string) *watch {
	t.Helper()
	w := &watch{
		key: lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort(virtual)}, quit: make(chan struct{}), done: make(chan struct{}),
	}
	err := host.Do(func() (err error) { w.kernel, err = ipvs.Open(); return err })
	if err == nil {
		w.in, err = w.look()
	}
	if err != nil {
		t.Fatal(err)
	}
	go w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *watch) run() {
	defer close(w.done)
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
		now, err := w.look()
		w.note(time.Now(), now, err)
	}
}

func (w *watch) look() (map[netip.Addr]bool, error) {
	servers, err := w.kernel.Servers(w.key)
	in := map[netip.Addr]bool{}
	for addr, s := range servers {
		if s.Server.Weight > 0 {
			in[addr.Addr()] = true
		}
	}
	return in, err
}

func (w *watch) note(at time.Time, now map[netip.Addr]bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if err != nil {
		w.err = fmt.Errorf("%s: %w", at.Format("05.000"), err) // the service was gone, or the kernel was not heard
		return
	}
	for s := range w.in {
		if !now[s] {
			w.moves = append(w.moves, move{at, s, false})
		}
	}
	for s := range now {
		if !w.in[s] {
			w.moves = append(w.moves, move{at, s, true})
		}
	}
	w.in = now
}

// stop ends the watching and gives what was seen; an error is a look at which the service was not there.
func (w *watch) stop() (moves []move, looks int, err error) {
	select {
	case <-w.quit:
	default:
		close(w.quit)
	}
	<-w.done
	return w.moves, w.looks, w.err
}

// still fails the test unless nothing moved.
func (w *watch) still(t *testing.T) {
	t.Helper()
	moves, looks, err := w.stop()
	if len(moves) > 0 || err != nil || looks == 0 {
		t.Errorf("the table moved in %d looks: %v %v", looks, moves, err)
	}
}

// history is how one server behaved, as it was told to.
type history struct {
	mu   sync.Mutex
	good bool
	at   []time.Time // when good turned, the first to how it was at the start
}

func newHistory(good bool) *history { return &history{good: good, at: []time.Time{time.Now()}} }

// turn notes that the server is about to change, or has just done so.
func (h *history) turn(good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if good != h.good {
		h.good, h.at = good, append(h.at, time.Now())
	}
}

// was says whether the server behaved like that at any moment of a span of time.
func (h *history) was(good bool, from, to time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	state := h.good == (len(h.at)%2 == 1) // how it was at the start
	for i, begin := range h.at {
		end := to
		if i+1 < len(h.at) {
			end = h.at[i+1]
		}
		if state == good && begin.Before(to) && end.After(from) {
			return true
		}
		state = !state
	}
	return false
}
