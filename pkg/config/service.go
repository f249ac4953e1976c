package config

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// service is one [[service]] as it was read.
type service struct {
	at      *value
	virtual plan.Virtual // but Key, Servers and Sorry, and the netmask where it is the family's whole
	vips    []virtualAddr
	ports   []uint16
	mark    lvs.Key // in place of vips and ports; zero without fwmark
	proto   lvs.Protocol
	servers []server
	sorry   []server
}

// virtualAddr is one address of a service.
type virtualAddr struct {
	at   *value
	addr netip.Addr
}

var protocols = map[string]lvs.Protocol{"tcp": lvs.TCP, "udp": lvs.UDP, "sctp": lvs.SCTP}

// readServices reads all services.
func readServices(root *value, checks map[string]*check) []*service {
	var all []*service
	names := map[string]*value{}
	for _, at := range root.tables("service") {
		s := readService(at, checks)
		if before := names[s.virtual.Name]; before != nil && s.virtual.Name != "" {
			at.failKey("name", "%q is also the name of the service at %s", clip(s.virtual.Name), before.where())
		}
		names[s.virtual.Name] = at
		all = append(all, s)
	}
	return all
}

func readService(at *value, checks map[string]*check) *service {
	s := &service{at: at, proto: protocols[at.word("protocol", "tcp", "tcp", "udp", "sctp")]}
	v := &s.virtual
	v.Name = at.text("name", "")
	if at.table["name"] == nil {
		at.failKey("name", "is missing")
	} else if err := checkName(v.Name); err != nil && !at.table["name"].blamed() {
		at.failKey("name", "%v", err)
	}
	s.readKeys()
	s.readKernel()
	s.readRules()
	s.readServers(checks)
	at.done()
	s.weigh()
	return s
}

// readKeys reads which packets the service is about.
func (s *service) readKeys() {
	at := s.at
	mark := at.get("fwmark")
	family := at.word("family", "ipv4", "ipv4", "ipv6")
	if mark == nil {
		if at.table["family"] != nil {
			at.failKey("family", "means something only with fwmark; the family of vips is seen")
		}
		s.readVIPs()
		s.readPorts()
		return
	}
	n, ok := mark.data.(int64)
	switch {
	case !ok:
		mark.fail("must be an integer, not %s", mark.shown())
	case n < 1 || n > 1<<32-1:
		mark.fail("%d is not from 1 to %d", n, uint32(1<<32-1))
	default:
		s.mark = lvs.Key{Mark: uint32(n), IPv6: family == "ipv6"}
	}
	for _, key := range []string{"vips", "ports", "protocol"} {
		if at.get(key) != nil {
			at.failKey(key, "cannot stand beside fwmark")
		}
	}
}

func (s *service) readVIPs() {
	if s.at.table["vips"] == nil {
		s.at.failKey("vips", "is missing: addresses, or fwmark in place of vips and ports")
	}
	seen := map[netip.Addr]bool{}
	list := s.at.elements("vips")
	if v := s.at.table["vips"]; v != nil && v.lists && len(list) == 0 {
		v.fail("is empty")
	}
	for _, e := range list {
		text, ok := e.asText()
		if !ok {
			continue
		}
		addr, err := parseAddr(text)
		switch {
		case err != nil:
			e.fail("%v", err)
		case seen[addr]:
			e.fail("%v is there twice", addr)
		default:
			seen[addr] = true
			s.vips = append(s.vips, virtualAddr{e, addr})
		}
	}
}

// readPorts reads one port or range, or a list of them.
func (s *service) readPorts() {
	at := s.at.get("ports")
	if at == nil {
		s.at.failKey("ports", "is missing")
		return
	}
	list := []*value{at}
	if at.lists {
		list = at.list
		if len(list) == 0 {
			at.fail("is empty")
		}
	}
	seen := map[uint16]bool{}
	for _, e := range list {
		first, last, ok := e.asPorts()
		for port := first; ok && port <= last; port++ {
			if seen[uint16(port)] {
				e.fail("port %d is there twice", port)
				break
			}
			seen[uint16(port)] = true
			s.ports = append(s.ports, uint16(port))
		}
	}
}

// asPorts reads 80, "80" or "8000-8099".
func (v *value) asPorts() (first, last int, ok bool) {
	text, isText := v.data.(string)
	if !isText {
		n, ok := v.asWhole(0, 65535)
		return n, n, ok
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	a, err1 := strconv.ParseUint(from, 10, 16)
	b, err2 := strconv.ParseUint(to, 10, 16)
	switch {
	case err1 != nil || err2 != nil:
		v.fail("%q is neither a port nor a range such as \"8000-8099\"", clip(text))
	case a > b:
		v.fail("the range %s runs backwards", text)
	case a == 0 && b > 0:
		v.fail("0 means all ports and begins no range")
	default:
		ok = true
	}
	return int(a), int(b), ok
}

// schedFlags are what the scheduler's flags mean to the kernel (include/uapi/linux/ip_vs.h), and whose they are.
var schedFlags = map[string]struct {
	bit       lvs.Flags
	scheduler string
}{
	"flag-1":      {lvs.Sched1, ""},
	"flag-2":      {lvs.Sched2, ""},
	"flag-3":      {lvs.Sched3, ""},
	"sh-fallback": {lvs.Sched1, "sh"},
	"sh-port":     {lvs.Sched2, "sh"},
	"mh-fallback": {lvs.Sched1, "mh"},
	"mh-port":     {lvs.Sched2, "mh"},
}

// schedulers are those of the kernel, and whether a weight that rises step by step means to them what it should:
// rr, lc and dh do not look at weights but for 0, fo and ovf choose by them, sh and mh move clients when they change.
var schedulers = map[string]bool{
	"wrr": true, "wlc": true, "sed": true, "nq": true, "lblc": true, "lblcr": true, "twos": true,
	"rr": false, "lc": false, "dh": false, "fo": false, "ovf": false, "sh": false, "mh": false,
}

// kernelName is what the kernel has room for (IP_VS_SCHEDNAME_MAXLEN, IP_VS_PENAME_MAXLEN).
var kernelName = regexp.MustCompile(`^[a-z0-9_-]{1,15}$`)

// readKernel reads how the kernel balances.
func (s *service) readKernel() {
	at, set := s.at, &s.virtual.Service
	set.Scheduler = at.text("scheduler", "wlc")
	switch _, known := schedulers[set.Scheduler]; {
	case !kernelName.MatchString(set.Scheduler):
		at.failKey("scheduler", "%q is not the name of a scheduler", clip(set.Scheduler))
	case !known:
		at.warnKey("scheduler", "lvsd does not know %q; the kernel must have it%s", set.Scheduler,
			at.doc.report.didYouMean(set.Scheduler, maps.Keys(schedulers)))
	}
	for _, e := range at.elements("flags") {
		text, ok := e.asText()
		if !ok {
			continue
		}
		f, ok := schedFlags[text]
		switch {
		case !ok:
			e.fail("unknown flag %q%s", clip(text), e.doc.report.didYouMean(text, maps.Keys(schedFlags)))
		case f.scheduler != "" && f.scheduler != set.Scheduler:
			e.fail("%q is a flag of the scheduler %s, not of %s", text, f.scheduler, set.Scheduler)
		}
		set.Flags |= f.bit
	}
	if at.flag("one_packet", false) {
		set.Flags |= lvs.OnePacket
		if at.table["fwmark"] == nil && s.proto != lvs.UDP {
			at.failKey("one_packet", `needs protocol = "udp"`)
		}
	}
	s.readPersistence()
}

// readPersistence reads how clients stay with their server. 31 days is what ipvsadm takes at most.
func (s *service) readPersistence() {
	at, set := s.at, &s.virtual.Service
	set.Timeout = at.seconds("persistent", 0, 0, 31*24*time.Hour)
	widest := 32
	if s.mark.IPv6 || slices.ContainsFunc(s.vips, func(v virtualAddr) bool { return v.addr.Is6() }) {
		widest = 128
	}
	set.Netmask = at.whole("netmask", 0, 1, widest)
	set.Engine = at.text("engine", "")
	if set.Engine != "" && !kernelName.MatchString(set.Engine) {
		at.failKey("engine", "%q is not the name of a persistence engine", clip(set.Engine))
	}
	if at.table["netmask"] != nil && slices.ContainsFunc(s.vips, func(v virtualAddr) bool { return v.addr.Is6() != s.vips[0].addr.Is6() }) {
		at.failKey("netmask", "means different things to IPv4 and IPv6: make a service for each")
	}
	if set.Timeout > 0 {
		set.Flags |= lvs.Persistent
		return
	}
	if at.table["persistent"].blamed() {
		return
	}
	for _, key := range []string{"netmask", "engine"} {
		if at.table[key] != nil {
			at.failKey(key, "means something only with persistent")
		}
	}
	if slices.Contains(s.ports, 0) {
		at.failKey("ports", "0 means all ports, which needs persistent")
	}
}

// readRules reads when servers are in and out.
func (s *service) readRules() {
	at, v := s.at, &s.virtual
	if at.word("on_down", "remove", "remove", "quiesce") == "quiesce" {
		v.OnDown = plan.Quiesce
	}
	v.Quorum = at.whole("quorum", 1, 1, mostInt)
	v.Hysteresis = at.whole("hysteresis", 0, 0, mostInt)
	v.MinUp = at.share("min_up", 0)
	v.SlowStart = at.duration("slow_start", 0, 0, 24*time.Hour)
	heeds, known := schedulers[v.Service.Scheduler]
	switch {
	case v.SlowStart == 0:
	case v.SlowStart < time.Second:
		at.failKey("slow_start", "must be at least 1s, or \"0s\"")
	case known && !heeds:
		at.failKey("slow_start", "cannot work with the scheduler %s, which does not share out new connections by weight", v.Service.Scheduler)
	}
}

// weigh warns of a quorum that cannot be had.
func (s *service) weigh() {
	sum := 0
	for _, one := range s.servers {
		sum += one.set.Weight
	}
	v := s.virtual
	switch {
	case len(s.servers) == 0:
	case v.Quorum > sum:
		s.at.warnKey("quorum", "%d is more than all weights together, which are %d: the service is never up", v.Quorum, sum)
	case v.Quorum+v.Hysteresis > sum:
		s.at.warnKey("hysteresis", "quorum and hysteresis are more than all weights together, which are %d: once down, the service stays down", sum)
	}
}
