package daemon

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/reconcile"
)

// The watchdog is fed while probes, director and table loop move, and not while one of them stands still.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}) // a kernel that answers when the test lets it
		d := &daemon{
			config: newCurrent(&config.Config{}), resync: time.Second, asks: make(chan director.Ask),
			monitors: health.NewMonitors(nil),
			loop:     reconcile.NewLoop(func(wanted, bool) error { <-turn; return nil }, time.Second, time.Second),
		}
		quit, stuck := make(chan struct{}), make(chan struct{})
		go func() {
			for {
				select {
				case ask := <-d.asks:
					ask.Reply <- &director.Snapshot{}
				case <-stuck:
					<-quit
					return
				}
			}
		}()
		ended := make(chan struct{})
		go func() { defer close(ended); d.loop.Run() }()
		d.loop.Set(wanted{})
		synctest.Wait()

		const most = 10*time.Second + stuckAfter
		time.Sleep(most - time.Second)
		if err := d.alive(); err != nil {
			t.Errorf("a kernel that is slow: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := d.alive(); err == nil || !strings.Contains(err.Error(), "table loop") {
			t.Errorf("a kernel that does not answer: %v", err)
		}
		turn <- struct{}{}
		synctest.Wait()
		if err := d.alive(); err != nil {
			t.Errorf("the kernel answered again: %v", err)
		}
		close(stuck)
		synctest.Wait()
		if err := d.alive(); err == nil || !strings.Contains(err.Error(), "director") {
			t.Errorf("a director that stands still: %v", err)
		}
		close(quit)
		close(turn)
		d.loop.Close()
		<-ended
		d.monitors.Close()
		if err := d.alive(); err == nil {
			t.Error("probes that have ended are alive")
		}
	})
}
