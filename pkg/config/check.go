package config

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/proc"
)

// What holds for every check without a key.
const (
	defaultInterval = 5 * time.Second
	defaultTimeout  = 2 * time.Second
	defaultRise     = 2
	defaultFall     = 2
	leastInterval   = 10 * time.Millisecond
)

// check is one [check.NAME] as it was read.
type check struct {
	Check
	at     *value
	used   bool
	broken bool // it has errors: what comes of it is not to be judged
}

// readChecks reads all checks. One that has errors is there too, so that its users are not blamed.
func readChecks(root *value) map[string]*check {
	all := map[string]*check{}
	section := root.section("check")
	for _, name := range slices.Sorted(maps.Keys(section.table)) {
		at := section.get(name)
		all[name] = &check{at: at}
		before := len(at.doc.report.problems)
		if at.isTable() {
			if err := checkName(name); err != nil {
				at.fail("%v", err)
			}
			all[name].Check = readCheck(name, at)
		}
		all[name].broken = slices.ContainsFunc(at.doc.report.problems[before:], isError)
	}
	return all
}

func readCheck(name string, at *value) Check {
	c := Check{Name: name, Type: at.text("type", "")}
	checker, ok := checks.New(c.Type)
	c.Spec = readSchedule(at)
	c.Spec.Checker = checker
	c.Spec.Target = checks.Target{
		Check:          name,
		Source:         at.address("source"),
		Interface:      at.text("interface", ""),
		ConnectTimeout: at.duration("connect_timeout", 0, time.Millisecond, never),
	}
	c.Address = at.address("address")
	c.Port = uint16(at.whole("port", 0, 1, 65535))
	if c.Spec.Target.ConnectTimeout > c.Spec.Timeout {
		at.failKey("connect_timeout", "is longer than timeout, which is %s", brief(c.Spec.Timeout))
	}
	if name := c.Spec.Target.Interface; at.get("interface") != nil && !at.get("interface").blamed() && !isInterface(name) {
		at.failKey("interface", "%q is not the name of an interface", clip(name))
	}
	if source := c.Spec.Target.Source; source.IsValid() && c.Address.IsValid() && source.Is4() != c.Address.Is4() {
		at.failKey("source", "%v cannot reach %v: they are of different families", source, c.Address)
	}
	readLater(at)
	if !ok {
		failType(at, c.Type)
		return c
	}
	bind(at, checker)
	at.done()
	if v, ok := checker.(checks.Validator); ok {
		for _, e := range v.Validate() {
			if !at.table[e.Key].blamed() {
				at.failKey(e.Key, "%v", e.Err)
			}
		}
	}
	if s, ok := checker.(*checks.Script); ok {
		warnUser(at, s.User)
	}
	return c
}

// warnUser tells root, who may run a script as anybody, that the daemon of lvsd.service may not.
func warnUser(at *value, user string) {
	const service = "lvsd" // the User of lvsd.service
	if user != "" && user != service && os.Geteuid() == 0 && !at.table["user"].blamed() {
		at.warnKey("user", "under lvsd.service, running as %s needs the systemd drop-in %s", clip(user), proc.DropIn)
	}
}

// readSchedule reads when tries are made and what they mean.
func readSchedule(at *value) health.Spec {
	s := health.Spec{
		Interval: at.duration("interval", defaultInterval, leastInterval, never),
		Timeout:  at.duration("timeout", defaultTimeout, time.Millisecond, never),
		Policy: health.Policy{
			Rise: at.whole("rise", defaultRise, 1, 10000),
			Fall: at.whole("fall", defaultFall, 1, 10000),
		},
	}
	s.FastInterval = at.duration("fast_interval", s.Interval, leastInterval, never)
	s.DownInterval = at.duration("down_interval", s.Interval, leastInterval, never)
	if s.Timeout > s.Interval {
		at.warnKey("timeout", "%s is longer than interval, which is %s: the next try waits for the one under way",
			brief(s.Timeout), brief(s.Interval))
	}
	return s
}

// readLater refuses what belongs to later versions: to ignore it would be to half-work.
func readLater(at *value) {
	if at.flag("tripwire", false) {
		at.failKey("tripwire", "is not supported by this version")
	}
	if at.get("trip_interval") != nil {
		at.failKey("trip_interval", "is not supported by this version")
	}
	switch via := at.text("via", "server"); via {
	case "server":
	case "vip":
		at.failKey("via", `"vip" is not supported by this version`)
	default:
		at.failKey("via", "%q is not one of server vip%s", clip(via), at.doc.report.didYouMean(via, slices.Values([]string{"server", "vip"})))
	}
}

// laterTypes are the check types that have a name and no code yet.
var laterTypes = strings.Fields("udp dns ping smtp grpc mysql postgres redis ldap radius sip file agent")

func failType(at *value, kind string) {
	switch {
	case at.table["type"].blamed():
	case at.table["type"] == nil:
		at.failKey("type", "is missing: one of %s", strings.Join(checks.Kinds(), " "))
	case slices.Contains(laterTypes, kind):
		at.failKey("type", "%q is not supported by this version, which has %s", kind, strings.Join(checks.Kinds(), " "))
	default:
		at.failKey("type", "%q is not one of %s%s", clip(kind), strings.Join(checks.Kinds(), " "), at.doc.report.didYouMean(kind, slices.Values(checks.Kinds())))
	}
}

// address reads an IP address; the zero Addr if the key is absent or wrong.
func (v *value) address(key string) netip.Addr {
	inner := v.get(key)
	if inner == nil {
		return netip.Addr{}
	}
	s, ok := inner.asText()
	if !ok {
		return netip.Addr{}
	}
	addr, err := parseAddr(s)
	if err != nil {
		inner.fail("%v", err)
	}
	return addr
}

// parseAddr reads the address of a host: one, of this family, without a zone.
func parseAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		if p, err := netip.ParsePrefix(s); err == nil {
			return netip.Addr{}, fmt.Errorf("%q: write the address without the prefix length: %q", s, p.Addr())
		}
		return netip.Addr{}, fmt.Errorf("%q is not an IP address; names are not looked up", clip(s))
	case addr.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%q: an address with a zone cannot be used", clip(s))
	case addr.Is4In6():
		return netip.Addr{}, fmt.Errorf("%q is an IPv4 address: write %q", s, addr.Unmap())
	case addr.IsUnspecified(), addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, fmt.Errorf("%q is not the address of a host", s)
	}
	return addr, nil
}

// isInterface follows dev_valid_name of net/core/dev.c.
func isInterface(s string) bool {
	const nbsp = 0xa0 // a space to the kernel's isspace
	return s != "" && len(s) < 16 && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n\v\f\r\x00") && strings.IndexByte(s, nbsp) < 0
}
