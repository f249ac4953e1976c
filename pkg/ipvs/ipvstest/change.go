package ipvstest

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// The kernel's answers, in the words of ipvs.Netlink.
var (
	errExists    = fmt.Errorf("%w: %w", ipvs.ErrExists, syscall.EEXIST)
	errNoService = fmt.Errorf("%w: %w", ipvs.ErrNotFound, syscall.ESRCH)
	errNoServer  = fmt.Errorf("%w: %w", ipvs.ErrNotFound, syscall.ENOENT)
	errInvalid   = fmt.Errorf("%w: %w", ipvs.ErrRefused, syscall.EINVAL)
	errRange     = fmt.Errorf("%w: %w", ipvs.ErrRefused, syscall.ERANGE)
)

// change does what net/netfilter/ipvs/ip_vs_ctl.c of Linux 6.1 does, in its order.
func (k *Kernel) change(c lvs.Change) error {
	entry, there := k.table[c.Key]
	switch {
	case c.Key.Mark == 0 && !c.Key.Addr.IsValid():
		return errInvalid
	case c.Op == lvs.AddService && there:
		return errExists
	case c.Op != lvs.AddService && !there:
		return errNoService
	}
	switch c.Op {
	case lvs.AddService, lvs.EditService:
		return k.setService(c, entry)
	case lvs.DelService:
		delete(k.table, c.Key)
		return nil
	default:
		return setServer(c, entry.Servers)
	}
}

func (k *Kernel) setService(c lvs.Change, entry lvs.Entry) error {
	s := c.Service
	switch {
	case !k.schedulers[s.Scheduler]:
		return fmt.Errorf("scheduler %q: %w: module ip_vs_%s: %w",
			s.Scheduler, ipvs.ErrNoScheduler, s.Scheduler, syscall.ENOENT)
	case s.Engine != "" && s.Engine != "sip":
		return fmt.Errorf("scheduler %q or persistence engine %q: %w: modules ip_vs_%s, ip_vs_pe_%s: %w",
			s.Scheduler, s.Engine, ipvs.ErrNoScheduler, s.Scheduler, s.Engine, syscall.ENOENT)
	case c.Key.Is6() && (s.Netmask < 1 || s.Netmask > 128):
		return errInvalid
	}
	if s.Flags &= lvs.AllFlags; s.Flags&lvs.Persistent == 0 {
		s.Timeout, s.Netmask = 0, c.Key.Bits() // without effect, so not read back
	}
	entry.Service = s
	if c.Op == lvs.AddService {
		entry.Servers = map[netip.AddrPort]lvs.Server{}
	}
	k.table[c.Key] = entry
	return nil
}

func setServer(c lvs.Change, servers map[netip.AddrPort]lvs.Server) error {
	_, there := servers[c.Addr]
	s := c.Server
	switch {
	case c.Op == lvs.DelServer && !there:
		return errNoServer
	case c.Op == lvs.DelServer:
		delete(servers, c.Addr)
		return nil
	case c.Addr.Addr().Is6() != c.Key.Is6() && s.Forward != lvs.Tunnel:
		return errInvalid
	case s.Weight < 0, s.Lower > s.Upper:
		return errRange
	case s.Forward == lvs.Tunnel && s.Encap.Type == lvs.GUE && s.Encap.Port == 0:
		return errInvalid
	case c.Op == lvs.AddServer && there:
		return errExists
	case c.Op == lvs.EditServer && !there:
		return errNoServer
	case c.Op == lvs.AddServer && !unicast(c.Addr.Addr()):
		return errInvalid
	}
	if s.Forward != lvs.Tunnel {
		s.Encap = lvs.Encap{}
	}
	servers[c.Addr] = s
	return nil
}

func unicast(a netip.Addr) bool {
	return !a.IsMulticast() && !a.IsUnspecified() && !(a.Is6() && a.IsLinkLocalUnicast()) &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
