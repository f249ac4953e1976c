package vip

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// hand is the goroutine that keeps. All of it belongs to that goroutine.
type hand struct {
	k     *Keeper
	tell  func(Report)
	req   *requester // nil after an error, until it is opened again
	watch *watch
	ear   *ear
	voice *voice
	heard chan happening

	routers map[string]*router
	places  map[place]claim
	vips    map[netip.Addr]bool
	drops   []drop // to be taken off, tried until done
	retry   time.Time
	vmacs   map[string]VMAC // made or found

	links   map[int]linkInfo
	index   map[string]int
	watched map[string]Link // as it was last told
	unread  bool            // links and addresses must be read anew
	dirty   map[string]bool // interfaces whose Link may have changed
	gone    []place         // that somebody may have taken off
	strays  []drop          // that somebody may have put on
	scratch batch
}

// drop is an address to be taken off.
type drop struct {
	router string
	link   string
	prefix netip.Prefix
	own    bool // it was held: taking it off is no news
}

func newHand(k *Keeper, report func(Report)) (*hand, error) {
	h := &hand{
		k: k, heard: make(chan happening, 512),
		routers: map[string]*router{}, places: map[place]claim{}, vips: map[netip.Addr]bool{}, vmacs: map[string]VMAC{},
		watched: map[string]Link{}, dirty: map[string]bool{},
	}
	h.tell = func(r Report) {
		if r.At == 0 {
			r.At = boottime()
		}
		report(r)
	}
	var err error
	if h.req, err = newRequester(); err != nil {
		return nil, err
	}
	if h.watch, err = newWatch(h.req.port); err != nil {
		h.req.close()
		return nil, err
	}
	if h.ear, err = newEar(); err != nil {
		h.req.close()
		h.watch.close()
		return nil, err
	}
	if h.voice, err = newVoice(); err != nil {
		h.req.close()
		h.watch.close()
		h.ear.close()
		return nil, err
	}
	if err := h.readLinks(); err != nil {
		h.end()
		return nil, err
	}
	h.watch.start(h.happened)
	h.ear.start(h.happened)
	h.voice.start()
	return h, nil
}

// happened hands over what a reader heard. It gives false when the keeper closes.
func (h *hand) happened(x happening) bool {
	select {
	case h.heard <- x:
		return true
	case <-h.k.quit:
		return false
	}
}

func (h *hand) end() {
	if h.req != nil {
		h.req.close()
	}
	h.voice.close()
	h.ear.close()
	h.watch.close()
}

func (h *hand) run() {
	defer close(h.k.done)
	defer h.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for quit := false; !quit; {
		timer.Reset(h.wait(time.Now()))
		select {
		case <-h.k.wake:
		case x := <-h.heard:
			h.hear(x)
			h.drain()
		case <-timer.C:
		case <-h.k.quit:
			quit = true
		}
		h.obey()
		h.mend()
		h.renew(time.Now())
	}
}

// drain hears what else waits, so that a flood is mended at once and not one by one.
func (h *hand) drain() {
	for range cap(h.heard) {
		select {
		case x := <-h.heard:
			h.hear(x)
		default:
			return
		}
	}
}

// wait is how long nothing is due.
func (h *hand) wait(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	for _, r := range h.routers {
		if !r.due.IsZero() && r.due.Before(next) {
			next = r.due
		}
	}
	if !h.retry.IsZero() && h.retry.Before(next) {
		next = h.retry
	}
	return max(next.Sub(now), 0)
}

// do sends a batch. Its error is not the kernel's answer; the socket is then opened anew, here or at the next call.
func (h *hand) do(b *batch) ([]failure, error) {
	if h.req == nil {
		req, err := newRequester()
		if err != nil {
			return nil, err
		}
		h.req = req
		h.watch.own.Store(req.port)
	}
	failures, err := h.req.do(b)
	if err != nil {
		h.req.close()
		h.req = nil
	}
	return failures, err
}

// renew renews the leases that are due and tries again what failed.
func (h *hand) renew(now time.Time) {
	for _, r := range h.routers {
		if !r.due.IsZero() && !now.Before(r.due) {
			h.hold(r, now)
		}
	}
	if !h.retry.IsZero() && !now.Before(h.retry) {
		h.retry = time.Time{}
		h.makeVMACs()
		h.takeOff()
		for _, r := range h.routers {
			if r.told != "" {
				h.settleIdle(r)
			}
		}
	}
}

// hold adds a router's addresses, or renews their lease. It allocates nothing where all goes well.
func (h *hand) hold(r *router, now time.Time) {
	at := boottime()
	if r.overdue(at) {
		h.lapse(r)
		return
	}
	r.due = time.Time{}
	if every := r.want.renewal(); every > 0 {
		r.due = now.Add(every)
	}
	failures, err := h.do(&r.add)
	if err == nil {
		r.renewed = at
		err = h.trouble(r, failures)
	}
	if err == nil {
		r.told = ""
		h.tell(Report{Kind: Settled, Router: r.name, At: at})
		return
	}
	h.fail(r, err)
	if soon := now.Add(retryEvery); r.due.IsZero() || soon.Before(r.due) {
		r.due = soon
	}
}

// trouble is why not all of a router's addresses are there after its batch was sent.
func (h *hand) trouble(r *router, failures []failure) error {
	switch {
	case len(failures) > 0:
		return refusals(failures, func(i int) string {
			a := r.want.Addresses[r.adds[i]]
			return fmt.Sprintf("add %v on %s", a.Prefix, r.link(a))
		})
	case r.broken != nil:
		return r.broken
	}
	return r.missing
}

// lapse gives up what a router holds, until the next Set: its leases ran out, so somebody else may have the addresses.
// Those that are still there, since the kernel's lifetimes stand still while a machine sleeps, are taken off.
func (h *hand) lapse(r *router) {
	r.lapsed, r.due = true, time.Time{}
	h.place()
	for _, a := range r.want.Addresses {
		h.drops = append(h.drops, drop{router: r.name, link: r.link(a), prefix: a.Prefix, own: true})
	}
	h.takeOff()
	h.voice.set(r.name, nil)
	h.listen()
	h.fail(r, errLapsed)
}

// fail tells of an error, unless it was the last one told of this router.
func (h *hand) fail(r *router, err error) {
	if text := err.Error(); text != r.told {
		r.told = text
		h.tell(Report{Kind: Failed, Router: r.name, Err: err})
	}
}

// takeOff takes off all drops that nobody holds meanwhile, in one batch.
func (h *hand) takeOff() {
	h.scratch.reset()
	var sent []drop
	for _, d := range h.drops {
		i := h.index[d.link]
		if i == 0 || h.holds(d) {
			continue
		}
		h.scratch.del(d.prefix, i)
		sent = append(sent, d)
	}
	h.drops = nil
	h.scratch.finish()
	failures, err := h.do(&h.scratch)
	if err != nil {
		h.drops = sent
		h.retry = time.Now().Add(retryEvery)
		for _, d := range sent {
			h.failDrop(d, err)
		}
		return
	}
	for i, d := range sent {
		for len(failures) > 0 && failures[0].place < i {
			failures = failures[1:]
		}
		if len(failures) == 0 || failures[0].place != i {
			h.takenOff(d)
		} else if errno := failures[0].errno; !absent(errno) {
			h.drops = append(h.drops, d)
			h.retry = time.Now().Add(retryEvery)
			h.failDrop(d, errno)
		}
	}
}

// absent tells whether an error means that there was nothing to take off.
func absent(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
}

func (h *hand) takenOff(d drop) {
	if !d.own {
		h.tell(Report{Kind: Removed, Router: d.router, Address: Address{Prefix: d.prefix, Link: d.link}})
	}
}

func (h *hand) failDrop(d drop, err error) {
	err = fmt.Errorf("remove %v from %s: %w", d.prefix, d.link, err)
	if r := h.routers[d.router]; r != nil {
		h.fail(r, err)
		return
	}
	h.tell(Report{Kind: Failed, Router: d.router, Err: err})
}

// holds tells whether exactly this address is to be where it is.
func (h *hand) holds(d drop) bool {
	c, ok := h.places[place{d.link, d.prefix.Addr()}]
	return ok && c.held && c.router.want.Addresses[c.at].Prefix == d.prefix
}
