package pair

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// node is what runs on one director of a pair. Methods are called by one goroutine; those that break a process do not wait
// for what comes of it.
type node interface {
	start()
	stop()             // as its service is stopped; returns when it is gone
	crash(part string) // kill -9 of one part, vrrp or table; what watches over it starts it again
	crashAll()         // kill -9 of everything at a stroke; nobody starts it again
	pause()            // SIGSTOP of everything
	resume()           // and SIGCONT
	reload(n int)      // with a configuration that differs from the last in what should not matter
	upgrade()          // what an upgrade of the package does
	handover()         // gives mastership away, or the nearest thing to it
	backup() error     // why it would not take over, if it would not
}

// program makes nodes: what a pair is of.
type program struct {
	name string
	make func(t testing.TB, h *lab.Host, s settings) node
}

// settings are what both programs are given.
type settings struct {
	priority  int
	advertise time.Duration
	servers   []*lab.Host
}

// vrid is the pair's virtual router.
const vrid = 66

// pair is a running pair, a client that asks, and the witnesses.
type pair struct {
	t       testing.TB
	site    *lab.Site
	advert  time.Duration
	nodes   map[*lab.Host]node
	holders *lab.HolderMeter
	adverts *lab.Adverts // as the client sees them
}

// newPair starts two directors before three servers, the first with the higher priority, and returns when the first is
// master, the second has heard it, and the service answers.
func newPair(t testing.TB, of program, advert time.Duration) *pair {
	t.Helper()
	site := lab.OneBridge(t, lab.Size{Directors: 2, Servers: 3, Unheld: true})
	for _, s := range site.Servers {
		s.Web(lab.WebConfig{})
	}
	p := &pair{t: t, site: site, advert: advert, nodes: map[*lab.Host]node{}}
	p.holders = lab.WatchHolders(lab.VIP, site.Directors...)
	p.adverts = site.Client.Adverts("eth0")
	for i, h := range site.Directors {
		n := of.make(t, h, settings{priority: 150 - 50*i, advertise: advert, servers: site.Servers})
		p.nodes[h] = n
		n.start()
		if i == 0 {
			p.waitMaster(h, 30*time.Second)
		}
	}
	p.waitBackup(p.b())
	p.waitAnswer()
	return p
}

func (p *pair) a() *lab.Host { return p.site.Directors[0] }
func (p *pair) b() *lab.Host { return p.site.Directors[1] }

// waitMaster waits until a host, and no other, has the VIP.
func (p *pair) waitMaster(h *lab.Host, within time.Duration) {
	p.t.Helper()
	lab.Eventually(p.t, within, func() error {
		if got := p.holders.Holders(); !slices.Equal(got, []string{h.Name}) {
			return fmt.Errorf("%v have the VIP, want %s; %v", got, h.Name, p.holders.Holding())
		}
		return nil
	})
}

// waitBackup waits until a host is ready to take over.
func (p *pair) waitBackup(h *lab.Host) {
	p.t.Helper()
	lab.Eventually(p.t, 30*time.Second, p.nodes[h].backup)
}

// asking is what the client asks of the service. A request without an answer within its timeout is one without service. Many
// more that wait at a time are more than the lab can carry, and it would be the outage itself.
var asking = lab.Asking{URL: "http://198.51.100.10/", Every: 50 * time.Millisecond, Timeout: 400 * time.Millisecond}

// waitAnswer waits until the service answers.
func (p *pair) waitAnswer() {
	p.t.Helper()
	lab.Eventually(p.t, 15*time.Second, func() error {
		_, err := p.site.Client.Get(p.t.Context(), asking)
		return err
	})
}

// outcome is what came of a fault.
type outcome struct {
	without time.Duration // the client had no service, in all
	gap     time.Duration // and at the longest
	lab     time.Duration // the same of a server that is asked directly: no director's doing
	holding lab.Holding
}

// String tells it in a line.
func (o outcome) String() string {
	return fmt.Sprintf("without service %s, at the longest %s (%s is the lab's); holders: %s",
		o.without.Round(time.Millisecond), o.gap.Round(time.Millisecond), o.lab.Round(time.Millisecond), o.holding)
}

// measure lets a fault happen, waits until it must have settled, and gives what came of it.
func (p *pair) measure(f fault) outcome {
	p.t.Helper()
	p.holders.Mark()
	began := time.Now()
	asker := p.site.Client.Ask(asking)
	direct := asking
	direct.URL, direct.Every = "http://198.51.100.103/", 100*time.Millisecond
	control := p.site.Client.Ask(direct)
	f.do(p)
	p.rest(timesOf(p.advert).down + f.settle)
	took, tally, holding := time.Since(began), asker.Stop(), p.holders.Holding()
	o := outcome{gap: tally.Gap, lab: control.Stop().Gap, holding: holding}
	if all := tally.OK + tally.Failed(); all > 0 {
		o.without = took * time.Duration(tally.Failed()) / time.Duration(all)
	}
	return o
}

// rest lets time pass in which things may happen: it is that time which is measured.
func (p *pair) rest(d time.Duration) { time.Sleep(d) }
