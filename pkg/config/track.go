package config

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// track is one element of track as it was read: exactly one of the three names is set.
type track struct {
	at      *value
	check   string
	service string
	iface   string
	share   int
	weight  int
}

// readTracks reads what a router depends on.
func readTracks(at *value) []track {
	var all []track
	for _, e := range at.elements("track") {
		if !e.isTable() {
			continue
		}
		if t, ok := readTrack(e); ok {
			if i := slices.IndexFunc(all, t.like); i >= 0 {
				e.fail("is tracked twice: also at line %d", all[i].at.line)
			}
			all = append(all, t)
		}
	}
	return all
}

func (t track) like(o track) bool {
	return t.check == o.check && t.service == o.service && t.iface == o.iface
}

func readTrack(at *value) (track, bool) {
	defer at.done()
	t := track{
		at: at, check: at.text("check", ""), service: at.text("service", ""), iface: at.netInterface("interface"),
		share: at.share("share", 0), weight: at.whole("weight", 0, -mostPriority, mostPriority),
	}
	kinds := 0
	for _, key := range []string{"check", "interface", "service"} {
		if at.table[key] != nil {
			kinds++
		}
	}
	if kinds != 1 {
		at.fail("must name one of check, interface and service, not %d", kinds)
		return t, false
	}
	if w := at.table["weight"]; w != nil && w.data == int64(0) {
		w.fail("0 changes nothing; without weight a failure is FAULT")
	}
	if s := at.table["share"]; s != nil && !s.blamed() {
		switch {
		case t.service == "":
			s.fail("means something only with service")
		case t.share == 0:
			s.fail(`must be from "1%%" to "100%%"`)
		}
	}
	return t, true
}

// bindTracks finds what the tracks of a router name, and notes how the checks among it are asked.
func (r *router) bindTracks(all map[string]*check, services []*service, specs map[lvs.CheckID]health.Spec) director.Router {
	out := director.Router{Name: r.Name, OnSuspect: r.onSuspect}
	for _, t := range r.tracks {
		switch {
		case t.iface != "":
			r.Tracks = append(r.Tracks, link.Track{Interface: t.iface, Weight: t.weight})
		case t.service != "":
			named := func(s *service) bool { return s.virtual.Name == t.service }
			if !slices.ContainsFunc(services, named) {
				names := func(yield func(string) bool) {
					for _, s := range services {
						if !yield(s.virtual.Name) {
							return
						}
					}
				}
				t.at.failKey("service", "unknown service %q%s", clip(t.service), t.at.doc.report.didYouMean(t.service, names))
				continue
			}
			out.Tracks = append(out.Tracks, director.Track{Service: t.service, Share: t.share, Weight: t.weight})
		case t.check != "":
			if id, ok := t.bindCheck(all, specs); ok {
				out.Tracks = append(out.Tracks, director.Track{Check: id, Weight: t.weight})
			}
		}
	}
	return out
}

// bindCheck finds the check of a track. It asks the address that it names itself; a program needs none.
func (t track) bindCheck(all map[string]*check, specs map[lvs.CheckID]health.Spec) (lvs.CheckID, bool) {
	c := all[t.check]
	if c == nil {
		t.at.failKey("check", "unknown check %q%s", clip(t.check), t.at.doc.report.didYouMean(t.check, maps.Keys(all)))
		return lvs.CheckID{}, false
	}
	c.used = true
	if c.broken {
		return lvs.CheckID{}, false
	}
	var host netip.Addr
	if _, script := c.Spec.Checker.(*checks.Script); script {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	} else if !c.Address.IsValid() {
		t.at.failKey("check", "check %q does not know whom to ask: set address in [check.%s]", t.check, t.check)
		return lvs.CheckID{}, false
	}
	id, spec, err := c.For(netip.AddrPortFrom(host, 0))
	if err != nil {
		t.at.failKey("check", "%v", err)
		return id, false
	}
	specs[id] = spec
	return id, true
}
