package vip

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// Keeper keeps addresses. Its methods may be called from any goroutine.
//
// Within it, one goroutine (hand) speaks rtnetlink and is the only one that reports, one (voice) announces, and three
// read sockets (watch and ear). What the methods say waits in asked, where the latest replaces what came before.
type Keeper struct {
	wake  chan struct{} // to hand: there is something in asked
	quit  chan struct{}
	done  chan struct{} // hand has ended
	close sync.Once

	mu      sync.Mutex
	asked   map[string]ask
	watched []string
	rewatch bool            // watched is new
	wants   map[string]Want // all that was Set and not forgotten
}

// ask is what was last said of a router.
type ask struct {
	want   Want
	forget bool
	keep   bool // with forget: leave everything as it is
}

// Open begins to keep addresses in this network namespace. report is called from the keeper's goroutine, one at a time,
// and must not block.
func Open(report func(Report)) (*Keeper, error) {
	k := &Keeper{
		wake:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
		asked: map[string]ask{},
		wants: map[string]Want{},
	}
	h, err := newHand(k, report)
	if err != nil {
		return nil, err
	}
	go h.run()
	return k, nil
}

// Set says what shall be of the addresses of a router. It never blocks; the latest one counts.
func (k *Keeper) Set(router string, w Want) {
	w.Addresses = slices.Clone(w.Addresses)
	k.mu.Lock()
	k.asked[router] = ask{want: w}
	k.wants[router] = w
	k.mu.Unlock()
	k.nudge()
}

// Forget ends the keeping of a router's addresses: they are left as they are, or else taken off, with its VMAC.
func (k *Keeper) Forget(router string, keep bool) {
	k.mu.Lock()
	k.asked[router] = ask{forget: true, keep: keep}
	delete(k.wants, router)
	k.mu.Unlock()
	k.nudge()
}

// Watch says which interfaces are to be told of by LinkChanged, whether they are there or not. Each new one is told of
// at once.
func (k *Keeper) Watch(links []string) {
	k.mu.Lock()
	k.watched, k.rewatch = slices.Clone(links), true
	k.mu.Unlock()
	k.nudge()
}

func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Links looks at all interfaces, by name. The addresses of every router that was Set are left out of them.
func (k *Keeper) Links() (map[string]Link, error) {
	r, err := newRequester()
	if err != nil {
		return nil, err
	}
	defer r.close()
	infos, err := r.links()
	if err != nil {
		return nil, err
	}
	addrs, err := r.addrs()
	if err != nil {
		return nil, err
	}
	vips := k.vips()
	links := make(map[string]Link, len(infos))
	for _, l := range infos {
		links[l.name] = l.link(addrs, vips)
	}
	return links, nil
}

// Look looks at one interface as Links does. If there is none of that name, it has no Index.
func (k *Keeper) Look(name string) (Link, error) {
	links, err := k.Links()
	if err != nil {
		return Link{}, fmt.Errorf("look at %s: %w", name, err)
	}
	if l, ok := links[name]; ok {
		return l, nil
	}
	return Link{Name: name}, nil
}

// vips are the addresses of all routers.
func (k *Keeper) vips() map[netip.Addr]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	vips := map[netip.Addr]bool{}
	for _, w := range k.wants {
		for _, a := range w.Addresses {
			vips[a.Prefix.Addr()] = true
		}
	}
	return vips
}

// Close ends the keeping after what Set and Forget said before was tried once. What is held stays, until its lease ends.
// It waits a few seconds at most, if the kernel does not answer.
func (k *Keeper) Close() {
	k.close.Do(func() { close(k.quit) })
	<-k.done
}

// take gives what was said since the last time, and the interfaces to watch if they changed.
func (k *Keeper) take() (asked map[string]ask, watched []string, rewatch bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.asked) > 0 {
		asked = maps.Clone(k.asked)
		clear(k.asked)
	}
	watched, rewatch = k.watched, k.rewatch
	k.rewatch = false
	return asked, watched, rewatch
}
