package pair

import (
	"fmt"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// heard is what `lvsd run` last said, and whether it is believed to be there.
type heard struct {
	link.Word
	ever bool
	at   vrrp.Instant // of the last word, or of the start
	lost bool         // for WordLease nothing was said: what it said lapses
}

func (h *heard) next() vrrp.Instant {
	if h.lost {
		return vrrp.Never
	}
	return h.at.Add(link.WordLease)
}

// hearWord takes what `lvsd run` says.
func (c *core) hearWord(now moment, w link.Word) {
	back := c.word.lost
	c.word = heard{Word: w, ever: true, at: now.at}
	if back {
		c.calm(now, nil, alarmRun, "lvsd run is heard again")
	}
	if w.Ready {
		c.ready(now)
	}
	c.restandAll(now)
	c.settleHandovers(now)
	c.tell()
}

// ready ends the hold after a start of every router that has one.
func (c *core) ready(now moment) {
	for _, g := range c.groups {
		for i := range g.routers {
			if g.machines.Router(i).Held() {
				c.step(now, g, everyone, vrrp.Event{Kind: vrrp.Ready})
				break
			}
		}
	}
}

// tickWord notices that `lvsd run` is gone, and, while it is, that peers come and go.
func (c *core) tickWord(now moment) {
	if !c.word.lost {
		if c.word.next() > now.at {
			return
		}
		c.word.lost = true
		words := fmt.Sprintf("lvsd run was not heard for %v: what it said of this host no longer counts", link.WordLease)
		if !c.word.ever {
			words = fmt.Sprintf("lvsd run was not heard since this process started %v ago", now.at.Sub(c.word.at).Round(time.Second))
		}
		c.raise(now, nil, alarmRun, vrrp.Never, words)
		c.restandAll(now)
		return
	}
	for _, g := range c.groups {
		if g.counted && !c.peerAlive(now, g) {
			c.restand(now, g)
		}
	}
}

// peerAlive tells whether a router of a group heard another one within its down interval.
func (c *core) peerAlive(now moment, g *group) bool { return now.at < g.peerUntil() }

// peerUntil is until when the peers that were heard are believed to live.
func (g *group) peerUntil() vrrp.Instant {
	until := vrrp.Instant(0)
	for i := range g.routers {
		m := g.machines.Router(i)
		if addr, _, at := m.Peer(); addr.IsValid() {
			until = max(until, at.Add(m.Down()))
		}
	}
	return until
}

// peerLapse is when a peer that counts for the priority will no longer be believed to live.
func (g *group) peerLapse() vrrp.Instant {
	if !g.counted {
		return vrrp.Never
	}
	return g.peerUntil()
}
