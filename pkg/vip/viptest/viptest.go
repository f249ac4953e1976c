// Package viptest doubles a vip.Keeper in memory, for tests of what decides about addresses.
package viptest

import (
	"maps"
	"slices"
	"sync"

	"github.com/lvsd/lvsd/pkg/vip"
)

// Keeper has the methods of a *vip.Keeper and touches nothing. Its methods may be called from any goroutine.
type Keeper struct {
	report func(vip.Report)

	mu      sync.Mutex
	wants   map[string]vip.Want
	links   map[string]vip.Link
	watched []string
	sets    int
	closed  bool
}

// New makes a Keeper whose host has the links given. report is called by Watch, Tell and Change.
func New(report func(vip.Report), links ...vip.Link) *Keeper {
	k := &Keeper{report: report, wants: map[string]vip.Want{}, links: map[string]vip.Link{}}
	for _, l := range links {
		k.links[l.Name] = l
	}
	return k
}

// Set is that of a vip.Keeper.
func (k *Keeper) Set(router string, w vip.Want) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w.Addresses = slices.Clone(w.Addresses)
	k.wants[router] = w
	k.sets++
}

// Forget is that of a vip.Keeper.
func (k *Keeper) Forget(router string, _ bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.wants, router)
	k.sets++
}

// Watch is that of a vip.Keeper; it reports from the caller's goroutine.
func (k *Keeper) Watch(links []string) {
	k.mu.Lock()
	var news []vip.Link
	for _, name := range links {
		if !slices.Contains(k.watched, name) {
			news = append(news, k.look(name))
		}
	}
	k.watched = slices.Clone(links)
	k.mu.Unlock()
	for _, l := range news {
		k.report(vip.Report{Kind: vip.LinkChanged, Link: l})
	}
}

// Links is that of a vip.Keeper.
func (k *Keeper) Links() (map[string]vip.Link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.links), nil
}

// Look is that of a vip.Keeper.
func (k *Keeper) Look(name string) (vip.Link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.look(name), nil
}

func (k *Keeper) look(name string) vip.Link {
	if l, ok := k.links[name]; ok {
		return l
	}
	return vip.Link{Name: name}
}

// Close is that of a vip.Keeper.
func (k *Keeper) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}

// Want is what was last Set for a router, and false if that is nothing.
func (k *Keeper) Want(router string) (vip.Want, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, ok := k.wants[router]
	return w, ok
}

// Sets counts the calls of Set and Forget.
func (k *Keeper) Sets() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sets
}

// Closed tells whether Close was called.
func (k *Keeper) Closed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.closed
}

// Tell reports something.
func (k *Keeper) Tell(r vip.Report) { k.report(r) }

// Change makes a link what is given, and reports that if it is watched. A link without Index is gone.
func (k *Keeper) Change(l vip.Link) {
	k.mu.Lock()
	if l.Index == 0 {
		delete(k.links, l.Name)
	} else {
		k.links[l.Name] = l
	}
	watched := slices.Contains(k.watched, l.Name)
	k.mu.Unlock()
	if watched {
		k.report(vip.Report{Kind: vip.LinkChanged, Link: l})
	}
}
