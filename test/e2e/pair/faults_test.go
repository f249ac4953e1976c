package pair

import (
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// fault is something that happens to a pair whose first director is master, and what then must hold for lvsd.
type fault struct {
	name   string
	do     func(*pair)
	settle time.Duration // after do, until nothing more comes of it
	bound  func(s pairTimes) bounds
}

// bounds are the most that may be seen, besides what the lab's slowness adds.
type bounds struct {
	gap     time.Duration // without service, at the longest
	two     time.Duration // two holders, in all
	changes int           // of holders
	because string        // which rule of SAFETY.md or the RFC it is
}

// pairTimes are what the bounds follow from, of the second director: the time after which it takes over in silence, and
// after a priority of 0.
type pairTimes struct{ advert, down, skew time.Duration }

// timesOf gives them for priority 100 and three adverts (RFC 9568 section 6.1).
func timesOf(advert time.Duration) pairTimes {
	skew := advert * (256 - 100) / 256
	return pairTimes{advert, 3*advert + skew, skew}
}

// calm is the bound of what must not be noticed.
func calm(why string) func(pairTimes) bounds {
	return func(pairTimes) bounds { return bounds{because: why} }
}

// takeover is the bound of a master that falls silent.
func takeover(why string) func(pairTimes) bounds {
	return func(s pairTimes) bounds { return bounds{gap: s.down, changes: 2, because: why} }
}

// soft is the bound of a master that goes by its own will.
func soft(s pairTimes) bounds {
	return bounds{two: s.advert, changes: 2, because: "soft resign: one advert"}
}

// faults are the rows of the comparison (issue 3).
var faults = []fault{
	{"kill -9 of the VRRP process", func(p *pair) { p.nodes[p.a()].crash("vrrp") }, 6 * time.Second, calm("resumed")},
	{"kill -9 of the process of checks", func(p *pair) { p.nodes[p.a()].crash("table") }, 6 * time.Second, calm("the table stays")},
	{"kill -9 of all, not started again", func(p *pair) { p.nodes[p.a()].crashAll() }, 10 * time.Second, takeover("lease")},
	{"SIGSTOP 10 s", pause, 5 * time.Second, takeover("lease, late wake")},
	{"cable out 8 s", unplug, 6 * time.Second, takeover("down interval")},
	{"second does not hear the first, 8 s", oneWay, 6 * time.Second, func(s pairTimes) bounds {
		return bounds{two: 8*time.Second - s.down + s.advert, changes: 2, because: "as long as the loss, told as CONTESTED"}
	}},
	{"30 % of VRRP lost, 20 s", lossy, 5 * time.Second, nil},
	{"restart", func(p *pair) { p.nodes[p.a()].stop(); p.nodes[p.a()].start() }, 6 * time.Second, soft},
	{"upgrade", func(p *pair) { p.nodes[p.a()].upgrade() }, 6 * time.Second, calm("re-exec in place")},
	{"50 reloads in 5 s", storm, 5 * time.Second, calm("reload keeps mastership")},
	{"handover", func(p *pair) { p.nodes[p.a()].handover() }, 6 * time.Second, soft},
	{"a stranger with our VRID, 12 s", func(p *pair) { stranger(p, 12*time.Second) }, 5 * time.Second, calm("a refused packet changes nothing")},
	{"8 busy loops, 12 s", hog, 4 * time.Second, nil},
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
	for i := range 50 {
		p.nodes[p.a()].reload(i + 1)
		p.rest(100 * time.Millisecond)
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
