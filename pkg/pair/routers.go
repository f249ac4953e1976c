package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// check tells whether a configuration could work here. What pkg/config has checked is not checked again.
func check(cfg *link.Config) error {
	if len(cfg.Routers) > maxRouters/2 {
		return fmt.Errorf("%d virtual routers, and %d are possible", len(cfg.Routers), maxRouters/2)
	}
	names, ids := map[string]bool{}, map[Identity]string{}
	var all []error
	for i := range cfg.Routers {
		r := &cfg.Routers[i]
		if names[r.Name] {
			all = append(all, fmt.Errorf("%s: two virtual routers have this name", r.Name))
		}
		if other, ok := ids[identity(r)]; ok {
			all = append(all, fmt.Errorf("%s: has id %d on %s, as has %s", r.Name, r.ID, r.Interface, other))
		}
		names[r.Name], ids[identity(r)] = true, r.Name
		if err := checkRouter(r); err != nil {
			all = append(all, fmt.Errorf("%s: %w", r.Name, err))
		}
	}
	return errors.Join(all...)
}

func checkRouter(r *link.Router) error {
	switch {
	case r.Interface == "" || len(r.Interface) > 15:
		return fmt.Errorf("%q cannot be an interface", r.Interface)
	case r.ID == 0:
		return errors.New("the id is from 1 to 255")
	case r.Family != 4 && r.Family != 6:
		return fmt.Errorf("family %d is neither 4 nor 6", r.Family)
	case r.Version != 3 && (r.Version != 2 || r.Family != 4):
		return fmt.Errorf("version %d for IPv%d is not known", r.Version, r.Family)
	case r.Priority == 0:
		return errors.New("the priority is from 1 to 255")
	case r.Interval <= 0 || r.DownAdverts < 1:
		return errors.New("no interval between adverts, or no adverts that may be missed")
	case r.Lease < 0 || r.Lease%1e9 != 0:
		return fmt.Errorf("a lease of %v: it is of whole seconds", r.Lease)
	case len(r.VIPs) > vrrp.MaxVIPs || len(r.Peers) > vrrp.MaxPeers:
		return fmt.Errorf("%d VIPs and %d peers: %d and %d are possible", len(r.VIPs), len(r.Peers), vrrp.MaxVIPs, vrrp.MaxPeers)
	case len(advertised(r)) == 0:
		return fmt.Errorf("no VIP is of IPv%d, the family of its adverts", r.Family)
	}
	return nil
}

// params gives what a machine wants of a router.
func params(r *link.Router) vrrp.Params {
	return vrrp.Params{
		Version: r.Version, Interval: r.Interval, DownAdverts: r.DownAdverts, Preempt: r.Preempt, PreemptDelay: r.PreemptDelay,
		PeerPriority: r.PeerPriority, Hold: r.StartupHold,
	}
}

// newRouter makes a router that is in no group yet.
func (c *core) newRouter(config *link.Router) *router {
	r := &router{place: c.place(), message: make([]byte, 0, vrrp.MaxMessage), leave: make([]byte, 0, vrrp.MaxMessage)}
	r.advert.VIPs = make([]netip.Addr, 0, vrrp.MaxVIPs)
	r.configure(config)
	c.routers = append(c.routers, r)
	return r
}

// place gives a free one in the journal; there are two for each router that may be configured.
func (c *core) place() int {
	for i := range maxRouters {
		if !slices.ContainsFunc(c.routers, func(r *router) bool { return r.place == i }) {
			return i
		}
	}
	return maxRouters
}

// configure takes a configuration that has the router's identity.
func (r *router) configure(config *link.Router) {
	r.config, r.hash, r.params = *config, NameHash(config.Name), params(config)
	r.addresses = addressesOf(config)
	r.mine = vrrp.Advert{
		Version: config.Version, VRID: config.ID, Priority: r.mine.Priority, Interval: config.Interval, VIPs: advertised(config),
	}
	if config.Password != "" {
		r.mine.Auth = vrrp.AuthPass
		copy(r.mine.Password[:], config.Password)
	}
	r.expect = vrrp.Expect{
		VRID: config.ID, Version: config.Version, Interval: config.Interval, Auth: r.mine.Auth, Password: r.mine.Password,
		Self: r.primary, Peers: config.Peers, VIPs: r.mine.VIPs,
	}
	r.compose()
}

// grouped sorts routers into groups, in the order in which they are configured.
func grouped(list []link.Router) [][]*link.Router {
	var groups [][]*link.Router
	at := map[string]int{}
	for i := range list {
		r := &list[i]
		n, ok := at[r.Group]
		if r.Group == "" || !ok {
			at[r.Group] = len(groups)
			groups = append(groups, []*link.Router{r})
			continue
		}
		groups[n] = append(groups[n], r)
	}
	return groups
}

// newGroup makes a group of routers, with a machine of each.
func (c *core) newGroup(name string, routers []*router, machines []vrrp.Machine) *group {
	g := &group{name: name, routers: routers}
	own := make([]vrrp.Standing, len(routers))
	for i, r := range routers {
		r.group, r.member = g, i
		own[i] = r.standing
	}
	g.machines = vrrp.GroupOf(machines, own)
	c.groups = append(c.groups, g)
	return g
}
