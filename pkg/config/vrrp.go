package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// What holds for a router without a key.
const (
	defaultPriority    = 100
	defaultAdvertise   = time.Second
	defaultDownAdverts = 3
	defaultStartupHold = 30 * time.Second
	defaultPenalty     = -20 // of on_lost and on_suspect
)

// mostPriority is the highest of a router that is not the owner of its addresses.
const mostPriority = vrrp.PriorityOwner - 1

// router is one [[vrrp]] as it was read.
type router struct {
	at *value
	link.Router
	sync      bool
	onSuspect int
	vips      []address
	tracks    []track
}

// readRouters reads all routers.
func readRouters(root *value) []*router {
	var all []*router
	for _, at := range root.tables("vrrp") {
		all = append(all, readRouter(at))
	}
	return all
}

func readRouter(at *value) *router {
	r := &router{at: at}
	r.readName()
	r.readProtocol()
	r.readPriority()
	r.VMAC = at.flag("vmac", false)
	r.readVIPs()
	r.readPaths()
	r.readPassword()
	r.Lease = r.readLease()
	r.Announce = readAnnounce(at.section("garp"))
	r.sync = at.flag("sync_connections", false)
	r.tracks = readTracks(at)
	if r.isOwner() {
		r.checkOwner()
	}
	at.done()
	return r
}

func (r *router) isOwner() bool { return r.Priority == vrrp.PriorityOwner }

// readName reads who the router is.
func (r *router) readName() {
	at := r.at
	r.Name, r.Group = at.text("name", ""), at.text("group", "")
	for _, key := range []string{"name", "interface", "id", "vips"} {
		if at.table[key] == nil {
			at.failKey(key, "is missing")
		}
	}
	for key, name := range map[string]string{"name": r.Name, "group": r.Group} {
		if at.table[key] == nil || at.table[key].blamed() {
			continue
		}
		if err := checkName(name); err != nil {
			at.failKey(key, "%v", err)
		}
	}
	r.Interface = at.netInterface("interface")
	r.ID = uint8(at.whole("id", 0, 1, 255))
}

// netInterface reads the name of an interface; "" if it is absent or wrong.
func (v *value) netInterface(key string) string {
	name := v.text(key, "")
	if inner := v.table[key]; inner == nil || inner.blamed() {
		return ""
	}
	if !isInterface(name) {
		v.failKey(key, "%q is not the name of an interface", clip(name))
		return ""
	}
	return name
}

// readProtocol reads the version and its timers.
func (r *router) readProtocol() {
	at := r.at
	r.Version = uint8(at.whole("version", 3, 2, 3))
	r.Interval = r.readInterval()
	r.DownAdverts = at.whole("down_adverts", defaultDownAdverts, 2, 100)
	if r.Interval < 300*time.Millisecond && r.DownAdverts < 5 {
		at.warnKey("down_adverts", "%d adverts of %s are lost together now and then: 5 are advised below 300ms", r.DownAdverts, brief(r.Interval))
	}
	if r.Interval < 100*time.Millisecond {
		at.warnKey("advertise", "%s needs real time: without SCHED_FIFO, as in a container, the vrrp process refuses it", brief(r.Interval))
	}
	switch at.word("checksum", "pseudo-header", "pseudo-header", "rfc9568") {
	case "rfc9568":
		r.Plain = true
		if r.Version == 2 {
			at.failKey("checksum", "means something only with version = 3")
		}
	}
}

// readInterval reads the time between adverts. Version 3 has 12 bits of centiseconds (RFC 9568 section 5.2.7), version 2
// has 8 bits of seconds (RFC 3768 section 5.3.7).
func (r *router) readInterval() time.Duration {
	const centisecond = 10 * time.Millisecond
	at := r.at
	if r.Version == 3 {
		d := at.duration("advertise", defaultAdvertise, centisecond, 4095*centisecond)
		if d%centisecond != 0 {
			at.failKey("advertise", "%s is not a multiple of 10ms, which version 3 counts in", brief(d))
			return defaultAdvertise
		}
		return d
	}
	d := at.duration("advertise", defaultAdvertise, time.Millisecond, 255*time.Second)
	if d%time.Second != 0 {
		at.failKey("advertise", "%s is not whole seconds, which version 2 counts in: version = 3 can", brief(d))
		return defaultAdvertise
	}
	return d
}

// readPriority reads the priority and when it counts.
func (r *router) readPriority() {
	at := r.at
	r.Priority = uint8(at.whole("priority", defaultPriority, 1, vrrp.PriorityOwner))
	r.PeerPriority = uint8(at.whole("peer_priority", 0, 1, vrrp.PriorityOwner))
	r.Preempt = at.flag("preempt", false) || r.isOwner()
	r.PreemptDelay = at.duration("preempt_delay", 0, 0, time.Hour)
	if r.PreemptDelay > 0 && !r.Preempt {
		at.failKey("preempt_delay", "means something only with preempt = true: nothing is taken over from a living master")
	}
	r.StartupHold = at.duration("startup_hold", defaultStartupHold, 0, time.Hour)
	r.OnLost = at.whole("on_lost", defaultPenalty, -mostPriority, 0)
	r.onSuspect = at.whole("on_suspect", defaultPenalty, -mostPriority, 0)
}

// readPassword reads what version 2 sends in the clear (RFC 2338 section 5.3.6.2).
func (r *router) readPassword() {
	const most = 8
	at := r.at
	s := at.text("password", "")
	switch printable := !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < 0x21 || b > 0x7e }); {
	case s == "":
	case r.Version == 3:
		at.failKey("password", "means something only with version = 2: version 3 has none")
	case !printable:
		at.failKey("password", "must be 1 to %d printable ASCII characters without spaces", most)
	case len(s) > most:
		at.failKey("password", "has %d bytes, version 2 sends %d: keepalived cuts it to %q without a word", len(s), most, s[:most])
	default:
		r.Password = s
	}
}

// readLease reads how long the kernel keeps a VIP that is not renewed (SAFETY.md, "Lease").
func (r *router) readLease() time.Duration {
	at := r.at
	down := time.Duration(r.DownAdverts) * r.Interval
	longest := max(time.Second, (down - time.Second).Truncate(time.Second))
	inner := at.get("lease")
	switch {
	case inner != nil && inner.data == "off", inner == nil && r.isOwner():
		return 0
	case inner == nil || inner.data == "auto":
		return longest
	}
	lease := at.seconds("lease", longest, time.Second, time.Hour)
	if lease > longest {
		inner.warn(`%s is longer than %s, which "auto" is: a peer takes over while a dead process's VIPs are still here`, brief(lease), brief(longest))
	}
	return lease
}

// double is for how long two directors may hold the VIPs after this one's process died: the kernel drops them up to a
// second after the lease, and the peer takes over when DownAdverts are missing, of which one may just have been due.
func (r *router) double() time.Duration {
	if r.Lease == 0 {
		return 0
	}
	gone := r.Lease + time.Second
	if time.Duration(r.DownAdverts)*r.Interval >= gone {
		return 0
	}
	return gone - time.Duration(r.DownAdverts-1)*r.Interval
}

// readAnnounce reads garp = { repeat, delay, refresh }.
func readAnnounce(at *value) vip.Schedule {
	defer at.done()
	s := vip.Schedule{
		Repeat:  at.whole("repeat", 5, 1, 100),
		Delay:   at.duration("delay", 5*time.Second, 0, time.Minute),
		Refresh: at.duration("refresh", 10*time.Second, 0, 24*time.Hour),
	}
	if s.Refresh > 0 && s.Refresh < time.Second {
		at.failKey("refresh", `must be at least 1s, or "0s"`)
	}
	return s
}

// readPaths reads from where and to whom adverts go.
func (r *router) readPaths() {
	at := r.at
	r.Source = at.address("source")
	six := r.Family == 6
	if r.Source.IsValid() && r.Source.Is6() != six {
		at.failKey("source", "%v cannot send adverts of IPv%d, the family of the vips", r.Source, r.Family)
	}
	seen := map[netip.Addr]bool{}
	for _, e := range at.elements("peers") {
		text, ok := e.asText()
		if !ok {
			continue
		}
		peer, err := parseAddr(text)
		switch {
		case err != nil:
			e.fail("%v", err)
		case seen[peer]:
			e.fail("%v is there twice", peer)
		case peer.Is6() != six:
			e.fail("%v cannot be sent adverts of IPv%d, the family of the vips", peer, r.Family)
		case r.holds(peer):
			e.fail("%v is one of the vips: a peer is another director's own address", peer)
		case peer == r.Source || isOwn(peer):
			e.fail("%v is this director's own address", peer)
		}
		seen[peer] = true
		r.Peers = append(r.Peers, peer)
	}
	if list := at.table["peers"]; list != nil && list.lists && len(list.list) == 0 {
		list.fail("is empty; without the key adverts are multicast")
	}
	// RFC 9568 section 5.1.2.1
	if s := r.Source; len(r.Peers) == 0 && s.Is6() && six && !s.IsLinkLocalUnicast() {
		at.failKey("source", "%v is not link-local, which multicast adverts of IPv6 come from", s)
	}
}

func (r *router) holds(addr netip.Addr) bool {
	return slices.ContainsFunc(r.vips, func(p address) bool { return p.Prefix.Addr() == addr })
}

// checkOwner refuses what contradicts the owner of the addresses, which is always master (RFC 9568 section 6.1).
func (r *router) checkOwner() {
	at := r.at
	if p := at.table["preempt"]; p != nil && p.data == false {
		p.fail("cannot stand beside priority = 255: the owner of the addresses always takes over")
	}
	for _, key := range []string{"preempt_delay", "track", "group", "peer_priority", "on_lost", "on_suspect"} {
		if at.table[key] != nil {
			at.failKey(key, "cannot stand beside priority = 255: the owner of the addresses is always master")
		}
	}
	if l := at.table["lease"]; l != nil && l.data != "off" {
		l.fail("cannot stand beside priority = 255: the addresses are this host's own")
	}
	r.OnLost, r.onSuspect = 0, 0
}
