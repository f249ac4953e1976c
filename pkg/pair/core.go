package pair

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// moment is one time by both clocks: CLOCK_BOOTTIME, by which everything is decided, and the wall clock, which is told.
type moment struct {
	at   vrrp.Instant
	wall time.Time
}

// Addresses keeps VIPs; a *vip.Keeper does.
type Addresses interface {
	Set(router string, w vip.Want)
	Forget(router string, keep bool)
	Watch(links []string)
	Links() (map[string]vip.Link, error)
	Close()
}

// port sends a router's adverts; a *vrrp.Socket does.
type port interface {
	Send(message []byte) error
	Destination() netip.Addr
	FD() int
	Close() error
}

// core is everything that the loop decides. It belongs to one goroutine, is told what happens, and when, and acts through
// its ports.
type core struct {
	version   string
	realTime  string
	boot      string
	pid       int
	started   time.Time // of the process's life, over programs that followed each other in it
	image     time.Time // of this program
	addresses Addresses
	open      func(vrrp.SocketOptions, *router) (port, error)
	journal   *journal
	changed   func()

	config      *link.Config
	replacement *link.Config // what begin makes of config
	routers     []*router
	groups      []*group
	blocked     bool // some of config wait until what is like them has left
	stopping    bool
	handovers   []handover
	links       map[string]vip.Link
	word        heard
	history     history
	told        uint64 // history.seq when changed was last called
	alarms      alarms // of no router
}

// router is a virtual router of this host.
type router struct {
	config  link.Router
	hash    uint64 // of its name
	place   int    // in the journal
	group   *group
	member  int // of the group
	params  vrrp.Params
	port    port
	options vrrp.SocketOptions // of port
	index   int                // of the interface that it is bound to
	primary netip.Addr
	opened  vrrp.Instant // when opening was last tried
	broken  string       // why there is no port

	standing vrrp.Standing
	reasons  []link.Reason

	expect   vrrp.Expect
	mine     vrrp.Advert // Priority is that of message
	message  []byte
	leave    []byte // message of priority 0
	advert   vrrp.Advert
	burst    int          // adverts of priority 0 to send yet
	burstAt  vrrp.Instant // when
	sentAt   vrrp.Instant
	lateness time.Duration

	sent, heard uint64
	refused     [vrrp.Refusals]repeated
	differs     repeated // adverts with another list of addresses
	alarms      alarms
	contestedBy string
	contestedAt time.Time

	addresses []vip.Address
	holds     bool
	resigning bool
	election  uint64
	renewed   vrrp.Instant // when the addresses were last as wanted
	stale     bool         // the lease was not renewed
	vipError  string
	mended    repeated // addresses put back or taken off
	settled   bool
}

// group is routers that are master together, or one that is alone.
type group struct {
	name        string // empty: of one router
	machines    *vrrp.Group
	routers     []*router
	leaving     bool       // stopped for ever
	counted     bool       // that a peer lives counts for the priority
	state       vrrp.State // as it was last told
	before      vrrp.State // what the process before last told
	since       moment
	cause       string
	transitions uint64
}

func (r *router) machine() vrrp.Machine { return r.group.machines.Router(r.member) }

// device is the interface that adverts and VIPs are on.
func (r *router) device() string {
	if r.config.VMAC {
		return vmacName(&r.config)
	}
	return r.config.Interface
}

// hear takes a packet that came on a router's socket.
func (c *core) hear(now moment, r *router, p vrrp.Packet) {
	refusal, remark := r.expect.Decode(p, &r.advert)
	if refusal != vrrp.Accepted {
		if !refusal.Ignored() {
			c.refuse(now, r, refusal, p)
		}
		return
	}
	r.heard++
	c.remark(now, r, remark, p)
	alive := c.peerAlive(now, r.group)
	c.step(now, r.group, r.member, vrrp.Event{
		Kind: vrrp.Heard, Priority: r.advert.Priority, Interval: r.advert.Interval, From: p.Src,
	})
	if !alive && c.word.lost {
		c.restand(now, r.group)
	}
	c.settleHandovers(now)
}

// next gives when tick has something to do.
func (c *core) next() vrrp.Instant {
	next := min(c.word.next(), c.alarms.next())
	for _, g := range c.groups {
		next = min(next, g.machines.Next())
		if c.word.lost {
			next = min(next, g.peerLapse())
		}
	}
	for _, r := range c.routers {
		next = min(next, r.next())
	}
	return next
}

func (r *router) next() vrrp.Instant {
	next := min(r.alarms.next(), r.leaseNext())
	if r.burst > 0 {
		next = min(next, r.burstAt)
	}
	if r.broken != "" {
		next = min(next, r.opened.Add(reopenEvery))
	}
	if r.group.leaving {
		next = min(next, r.sweepNext())
	}
	return next
}

// tick does what is due: the adverts first.
func (c *core) tick(now moment) {
	for _, g := range c.groups {
		c.tickGroup(now, g)
	}
	for _, r := range c.routers {
		if r.burst > 0 && r.burstAt <= now.at {
			c.sendLeave(now, r)
		}
	}
	c.tickWord(now)
	c.lapse(now, nil)
	for _, r := range c.routers {
		if r.broken != "" && now.at >= r.opened.Add(reopenEvery) {
			c.attach(now, r)
			c.restand(now, r.group)
		}
		c.tickLease(now, r)
		c.lapse(now, r)
	}
	c.settleHandovers(now)
	c.sweep(now)
	c.tell()
}

func (c *core) tickGroup(now moment, g *group) {
	due := false
	for i, r := range g.routers {
		m := g.machines.Router(i)
		if m.Next() > now.at {
			continue
		}
		due = true
		if m.State() == vrrp.Master && !m.Resigning() {
			r.lateness = max(r.lateness, now.at.Sub(m.Next()))
		}
	}
	if due {
		c.act(now, g, g.machines.Due(now.at), vrrp.Event{Kind: vrrp.Tick})
	}
}

// tell says that there is something new for those who follow.
func (c *core) tell() {
	if c.told != c.history.seq && c.changed != nil {
		c.told = c.history.seq
		c.changed()
	}
}
