package pair

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/vrrp"
)

// alarmKey is what an alarm is about. It is comparable.
type alarmKey struct {
	kind    alarmKind
	refusal vrrp.Refusal // of alarmRefused
	address netip.Addr   // of alarmDuplicate
}

type alarmKind uint8

const (
	kindRefused alarmKind = iota
	kindDiffers
	kindContested
	kindDuplicate
	kindMended
	kindSend
	kindLease
	kindSocket
	kindRun
)

var (
	alarmDiffers   = alarmKey{kind: kindDiffers}
	alarmContested = alarmKey{kind: kindContested}
	alarmMended    = alarmKey{kind: kindMended}
	alarmSend      = alarmKey{kind: kindSend}
	alarmLease     = alarmKey{kind: kindLease}
	alarmSocket    = alarmKey{kind: kindSocket}
	alarmRun       = alarmKey{kind: kindRun}
)

func alarmRefused(why vrrp.Refusal) alarmKey { return alarmKey{kind: kindRefused, refusal: why} }

func alarmDuplicate(a netip.Addr) alarmKey { return alarmKey{kind: kindDuplicate, address: a} }

// alarm is something that an operator should know while it holds.
type alarm struct {
	key   alarmKey
	words string
	until vrrp.Instant // it ends then unless it is raised again
}

// alarms are few: of each kind there is one, or one a refusal or address.
type alarms []alarm

// maxAlarms bounds those of one router.
const maxAlarms = 64

func (a alarms) index(k alarmKey) int {
	return slices.IndexFunc(a, func(x alarm) bool { return x.key == k })
}

func (a alarms) held(k alarmKey) bool { return a.index(k) >= 0 }

func (a alarms) next() vrrp.Instant {
	next := vrrp.Never
	for i := range a {
		next = min(next, a[i].until)
	}
	return next
}

func (a alarms) words() []string {
	var words []string
	for _, x := range a {
		words = append(words, x.words)
	}
	return words
}

// alarmsOf gives the alarms of a router, or those of none.
func (c *core) alarmsOf(r *router) *alarms {
	if r == nil {
		return &c.alarms
	}
	return &r.alarms
}

// prolong makes an alarm that holds already hold until then, and tells whether it does.
func (c *core) prolong(r *router, k alarmKey, until vrrp.Instant) bool {
	list := *c.alarmsOf(r)
	i := list.index(k)
	if i >= 0 {
		list[i].until = until
	}
	return i >= 0
}

// raise begins an alarm, or prolongs it.
func (c *core) raise(now moment, r *router, k alarmKey, until vrrp.Instant, words string) {
	list := c.alarmsOf(r)
	if c.prolong(r, k, until) || k.kind == kindDuplicate && len(*list) >= maxAlarms {
		return
	}
	*list = append(*list, alarm{key: k, words: words, until: until})
	c.note(now, r, true, words)
}

// calm ends an alarm if it holds.
func (c *core) calm(now moment, r *router, k alarmKey, words string) {
	list := c.alarmsOf(r)
	if i := list.index(k); i >= 0 {
		*list = slices.Delete(*list, i, i+1)
		c.note(now, r, false, words)
	}
}

// lapse ends the alarms of a router whose time is over.
func (c *core) lapse(now moment, r *router) {
	list := c.alarmsOf(r)
	for i := len(*list) - 1; i >= 0; i-- {
		if a := (*list)[i]; a.until <= now.at {
			*list = slices.Delete(*list, i, i+1)
			if a.key == alarmContested {
				r.contestedBy, r.contestedAt = "", time.Time{}
			}
			c.note(now, r, false, "over: "+a.words)
		}
	}
}

// repeated counts something that is worth an alarm when it comes again and again.
type repeated struct {
	count uint64
	run   int // in a row
	last  vrrp.Instant
}

// often is how many in a row are worth an alarm.
const often = 3

// again counts one more, and tells whether it is worth an alarm. More than patience without one ends a row.
func (n *repeated) again(at vrrp.Instant, patience time.Duration) bool {
	if n.run > 0 && at.Sub(n.last) > patience {
		n.run = 0
	}
	n.count++
	n.run++
	n.last = at
	return n.run >= often
}

// patience is how long a row of something wrong may pause: the down interval, or what a master that adverts every second
// may take.
func (r *router) patience() time.Duration { return max(r.machine().Down(), 4*time.Second) }

// quiet is when something that was heard now is over if it is not heard again.
func (r *router) quiet(now moment) vrrp.Instant {
	return now.at.Add(3*r.machine().Down() + 5*time.Second)
}

// refuse counts a packet for a router's id that is not accepted. It changes no state and no timer.
func (c *core) refuse(now moment, r *router, why vrrp.Refusal, p vrrp.Packet) {
	if !r.refused[why].again(now.at, r.patience()) {
		return
	}
	if k := alarmRefused(why); !c.prolong(r, k, r.quiet(now)) {
		c.raise(now, r, k, r.quiet(now), r.expect.Words(why, p))
	}
}

// remark counts what is odd about an accepted packet.
func (c *core) remark(now moment, r *router, what vrrp.Remark, p vrrp.Packet) {
	if what&vrrp.ListDiffers == 0 || !r.differs.again(now.at, r.patience()) {
		return
	}
	if c.prolong(r, alarmDiffers, r.quiet(now)) {
		return
	}
	words := fmt.Sprintf("%v adverts other addresses with our id %d: %v, and here it is %v", p.Src, r.config.ID,
		shown(r.advert.VIPs), shown(r.expect.VIPs))
	if what&vrrp.ListDisjoint != 0 {
		words += "; none is common, so this is another virtual router with the same id, and only one of them is master"
	}
	c.raise(now, r, alarmDiffers, r.quiet(now), words)
}

// shown gives a few addresses of a list that may be long.
func shown(list []netip.Addr) string {
	const most = 4
	if len(list) <= most {
		return fmt.Sprint(list)
	}
	return fmt.Sprintf("%v and %d more", list[:most], len(list)-most)
}

// contest tells that another master was heard while this one is master.
func (c *core) contest(now moment, r *router, e vrrp.Event) {
	r.contestedAt = now.wall
	if c.prolong(r, alarmContested, r.quiet(now)) {
		return
	}
	r.contestedBy = r.rival(now, e)
	c.raise(now, r, alarmContested, r.quiet(now), "two masters: "+r.contestedBy)
}

func (c *core) uncontest(now moment, r *router) {
	r.contestedBy, r.contestedAt = "", time.Time{}
	c.calm(now, r, alarmContested, "one master again")
}

// rival says who the other master is, and why there may be one.
func (r *router) rival(now moment, e vrrp.Event) string {
	own := r.machine().Priority()
	who := fmt.Sprintf("%v has priority %d, this router %d", e.From, e.Priority, own)
	switch {
	case own == vrrp.PriorityOwner && e.Priority == vrrp.PriorityOwner:
		return who + ": two owners, and only one can have the addresses as its own"
	case own == vrrp.PriorityOwner:
		return who + ": it does not hear the owner of the addresses: loss on the way there, or a filter"
	case now.at.Sub(r.group.since.at) < 2*r.params.Interval:
		return who + ": both took over at the same time"
	}
	return who + ": it does not hear this router: loss in one direction, or a filter"
}
