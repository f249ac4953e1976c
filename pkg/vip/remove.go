package vip

import (
	"fmt"
	"net/netip"
)

// Remove takes addresses off their links, whoever put them there and with whatever prefix length. Those that are not
// there are no error.
func Remove(addresses []Address) error {
	r, err := newRequester()
	if err != nil {
		return err
	}
	defer r.close()
	links, err := r.links()
	if err != nil {
		return err
	}
	addrs, err := r.addrs()
	if err != nil {
		return err
	}
	unwanted := map[place]bool{}
	for _, a := range addresses {
		unwanted[place{a.Link, a.Prefix.Addr()}] = true
	}
	var b batch
	var sent []netip.Prefix
	for _, a := range addrs {
		if unwanted[place{links[a.index].name, a.prefix.Addr()}] {
			b.del(a.prefix, a.index)
			sent = append(sent, a.prefix)
		}
	}
	b.finish()
	failures, err := r.do(&b)
	if err != nil {
		return fmt.Errorf("remove addresses: %w", err)
	}
	kept := failures[:0]
	for _, f := range failures {
		if !absent(f.errno) {
			kept = append(kept, f)
		}
	}
	return refusals(kept, func(i int) string { return fmt.Sprintf("remove %v", sent[i]) })
}
