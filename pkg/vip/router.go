package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// retryEvery is how soon the kernel is asked again for what it refused.
const retryEvery = time.Second

// errLapsed is that this process did not run, or the kernel not answer, for so long that the leases ran out.
var errLapsed = errors.New("the lease ran out before it was renewed")

// errNoLink is that an interface is not there.
var errNoLink = errors.New("no such interface")

// place is where an address is, or is not to be.
type place struct {
	link string
	addr netip.Addr
}

// claim is who says what of a place.
type claim struct {
	router *router
	at     int // in the router's want.Addresses
	held   bool
}

// router is what is kept for one Set.
type router struct {
	name string
	want Want

	add     batch         // all of want.Addresses whose link is there
	adds    []int         // for each message in add: which of want.Addresses it is
	missing error         // why some are not in add
	broken  error         // why its VMAC is not right
	due     time.Time     // of the next renewal; zero is never
	renewed time.Duration // CLOCK_BOOTTIME before the last one that the kernel heard; 0 is none since Set
	lapsed  bool          // a lease ran out, see lapse
	told    string        // the text of the last Failed that no Settled followed
}

// holds tells whether a router's addresses are to be here.
func (r *router) holds() bool { return r.want.Held && !r.lapsed }

// overdue tells whether the leases have run out by now.
func (r *router) overdue(now time.Duration) bool {
	return r.want.Lease > 0 && r.renewed != 0 && now-r.renewed >= r.want.Lease
}

// link names the interface that an address of the router is on: in place of a VMAC's parent the VMAC.
func (r *router) link(a Address) string {
	if r.want.VMAC != (VMAC{}) && a.Link == r.want.VMAC.Parent {
		return r.want.VMAC.Name
	}
	return a.Link
}

// build writes the batch that adds and renews, for the interfaces as they are now.
func (r *router) build(index func(name string) int) {
	r.add.reset()
	r.adds, r.missing = r.adds[:0], nil
	for at, a := range r.want.Addresses {
		link := r.link(a)
		i := index(link)
		if i == 0 {
			r.missing = fmt.Errorf("add %v on %s: %w", a.Prefix, link, errNoLink)
			continue
		}
		r.add.add(a, i, r.want.Lease, unix.NLM_F_REPLACE)
		r.adds = append(r.adds, at)
	}
	r.add.finish()
}

// renewal is how long after one renewal the next is due; 0 is never.
func (w Want) renewal() time.Duration {
	switch {
	case w.Lease <= 0:
		return 0
	case w.Renew <= 0:
		return w.Lease / 3
	}
	return w.Renew
}

// refusals puts what the kernel refused in words.
func refusals(failures []failure, what func(place int) string) error {
	if len(failures) == 0 {
		return nil
	}
	err := fmt.Errorf("%s: %w", what(failures[0].place), failures[0].errno)
	if more := len(failures) - 1; more > 0 {
		return fmt.Errorf("%w (and %d more)", err, more)
	}
	return err
}
