package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Boot gives the id of this boot, to compare with Record.Boot.
func Boot() (string, error) { return bootID() }

// Now gives the time by CLOCK_BOOTTIME, in which Entry.Advert is.
func Now() vrrp.Instant { return boottime() }

// Resign speaks for a vrrp process that is dead and will not resume: for each router of the configuration that the record in
// dir has as master in this boot it sends priority 0, takes the VIPs off and marks the record, so that it is done once. It
// returns the names of those routers. The caller holds the lock of the vrrp process.
func Resign(cfg *link.Config, dir string) (names []string, err error) {
	record, err := ReadRecord(dir)
	if err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil || record.Boot != boot {
		return nil, err
	}
	k, err := vip.Open(func(vip.Report) {})
	if err != nil {
		return nil, fmt.Errorf("look at interfaces: %w", err)
	}
	defer k.Close()
	isVIP := func(a netip.Addr) bool { return contains(cfg, a) }
	var all []error
	var addresses []vip.Address
	for i := range cfg.Routers {
		r := &cfg.Routers[i]
		if _, master := record.Master(r); !master {
			continue
		}
		names = append(names, r.Name)
		addresses = append(addresses, addressesOf(r)...)
		if err := leaveFor(k, r, isVIP); err != nil {
			all = append(all, fmt.Errorf("resign for %s: %w", r.Name, err))
		}
	}
	all = append(all, vip.Remove(addresses))
	if len(names) > 0 {
		all = append(all, forgetRecord(dir, boot))
	}
	return names, errors.Join(all...)
}

func contains(cfg *link.Config, a netip.Addr) bool {
	for i := range cfg.Routers {
		for _, v := range cfg.Routers[i].VIPs {
			if v.Prefix.Addr() == a {
				return true
			}
		}
	}
	return false
}

// leaveFor sends what a master sends that goes.
func leaveFor(k *vip.Keeper, config *link.Router, isVIP func(netip.Addr) bool) error {
	l, err := k.Look(config.Interface)
	if err != nil {
		return err
	}
	r := &router{}
	r.configure(config)
	r.primary = source(config, l, netip.Addr{}, isVIP)
	s, err := vrrp.Open(vrrp.SocketOptions{
		Interface: r.device(), VRID: config.ID, Source: r.primary, Peers: config.Peers, Plain: config.Plain,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	r.port = s
	r.compose()
	for range 3 {
		if err := s.Send(r.leave); err != nil {
			return fmt.Errorf("send priority 0: %w", err)
		}
		time.Sleep(leaveGap)
	}
	return nil
}

// forgetRecord leaves a record in which nobody is master.
func forgetRecord(dir, boot string) error {
	j, err := openJournal(dir, boot)
	if err != nil {
		return err
	}
	return errors.Join(j.publish(dir), j.close())
}
