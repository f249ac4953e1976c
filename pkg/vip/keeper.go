package vip

import "errors"

// Keeper keeps addresses. Its methods may be called from any goroutine.
type Keeper struct {
	report func(Report)
}

// Open begins to keep addresses in this network namespace. report is called from the keeper's goroutine, one at a time,
// and must not block.
func Open(report func(Report)) (*Keeper, error) { return nil, errors.New("not yet") }

// Set says what shall be of the addresses of a router. It never blocks; the latest one counts.
func (k *Keeper) Set(router string, w Want) {}

// Forget ends the keeping of a router's addresses: they are left as they are, or else taken off with its VMAC.
func (k *Keeper) Forget(router string, keep bool) {}

// Watch says which interfaces are to be told of by LinkChanged, whether they are there or not. Each new one is told of
// at once.
func (k *Keeper) Watch(links []string) {}

// Links looks at all interfaces.
func (k *Keeper) Links() (map[string]Link, error) { return nil, nil }

// Look looks at one interface. If there is none of that name, it has no Index.
func (k *Keeper) Look(name string) (Link, error) { return Link{}, nil }

// Close ends the keeping after what Set and Forget said before was tried once. What is held stays, until its lease ends.
func (k *Keeper) Close() {}

// Remove takes addresses off their links, whoever put them there. Those that are not there are no error.
func Remove(addresses []Address) error { return nil }
