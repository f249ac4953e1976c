package pair

import (
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// fault is something that happens to a pair whose first director is master, and what then must hold for lvsd.
type fault struct {
	name   string
	do     func(*pair)
	settle time.Duration // after do, besides the down interval, until nothing more comes of it
	bound  func(s times) bounds
}

// bounds are the most that may be seen, besides what the lab's slowness adds. A negative one is not looked at.
type bounds struct {
	gap     time.Duration // without service, at the longest
	two     time.Duration // two holders, in all
	changes int           // directors that got or lost the VIP
	because string        // the rule of SAFETY.md or the RFC that it follows from
}

// times are what bounds follow from: the interval of adverts, and the time after which the second director takes over
// when they stop.
type times struct{ advert, down time.Duration }

// timesOf gives them for a second director of priority 100 and three adverts (RFC 9568 section 6.1).
func timesOf(advert time.Duration) times {
	return times{advert, 3*advert + advert*(256-100)/256}
}

// calm is the bound of what must not be noticed.
func calm(because string) func(times) bounds {
	return func(times) bounds { return bounds{because: because} }
}

// silent is the bound of a master that is heard no more: its VIPs are gone before the other takes them.
func silent(because string) func(times) bounds {
	return func(s times) bounds { return bounds{gap: s.down, changes: 2, because: because} }
}

// soft is the bound of a master that goes by its own will.
func soft(s times) bounds {
	return bounds{two: s.advert, changes: 2, because: "soft resign: at most one advert"}
}

// deaf is the bound of a second director that does not hear the first for 8 s: VRRP alone cannot mend that.
func deaf(s times) bounds {
	return bounds{gap: 8 * time.Second, two: 8*time.Second - s.down + 3*s.advert, changes: -1, because: "as long as the loss, and told as CONTESTED"}
}

// busy is the bound of loss and load, of which only the sum is known.
func busy(because string) func(times) bounds {
	return func(s times) bounds { return bounds{gap: s.down, two: s.advert, changes: -1, because: because} }
}

// faults are the rows of the comparison (issue 3, "What it must show").
var faults = []fault{
	{"kill -9 of the VRRP process", func(p *pair) { p.nodes[p.a()].crash("vrrp") }, time.Second, calm("resumed")},
	{"kill -9 of the process of checks", func(p *pair) { p.nodes[p.a()].crash("table") }, time.Second, calm("the table stays")},
	{"upgrade", func(p *pair) { p.nodes[p.a()].upgrade() }, time.Second, calm("re-exec in place")},
	{"10 reloads in a row", storm, time.Second, calm("reload keeps mastership")},
	{"a stranger with our VRID, 8 s", func(p *pair) { stranger(p, 8*time.Second) }, time.Second, calm("a refused packet changes nothing")},
	{"handover", func(p *pair) { p.nodes[p.a()].handover() }, time.Second, soft},
	{"restart", func(p *pair) { p.nodes[p.a()].stop(); p.nodes[p.a()].start() }, 2 * time.Second, soft},
	{"kill -9 of all, not started again", func(p *pair) { p.nodes[p.a()].crashAll() }, 2 * time.Second, silent("lease")},
	{"SIGSTOP 10 s", pause, 2 * time.Second, silent("lease, then a late wake")},
	{"cable out 8 s", unplug, 2 * time.Second, silent("the down interval")},
	{"second does not hear the first, 8 s", oneWay, 2 * time.Second, deaf},
	{"30 % of VRRP lost, 20 s", lossy, time.Second, busy("three adverts in a row")},
	{"8 busy loops, 12 s", hog, time.Second, busy("SCHED_FIFO")},
}

func pause(p *pair) {
	p.nodes[p.a()].pause()
	p.rest(10 * time.Second)
	p.nodes[p.a()].resume()
}

func unplug(p *pair) {
	p.a().Port(0).Unplug()
	p.rest(8 * time.Second)
	p.a().Port(0).Plug()
}

func oneWay(p *pair) {
	p.b().Port(0).Impair(lab.Heard, 112, "loss 100%")
	p.rest(8 * time.Second)
	p.b().Port(0).Impair(lab.Both, 112, "")
}

func lossy(p *pair) {
	p.b().Port(0).Impair(lab.Both, 112, "loss 30%")
	p.rest(20 * time.Second)
	p.b().Port(0).Impair(lab.Both, 112, "")
}

func storm(p *pair) {
	for i := range 10 {
		p.nodes[p.a()].reload(i + 1)
	}
}

func hog(p *pair) {
	var loops []*lab.Process
	for range 8 {
		loops = append(loops, p.a().Start("sh", "-c", "while :; do :; done"))
	}
	p.rest(12 * time.Second)
	for _, l := range loops {
		l.Kill()
	}
}
