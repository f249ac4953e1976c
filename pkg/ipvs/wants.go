package ipvs

import (
	"maps"
	"reflect"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// own makes a service ours: it is read before it is written.
func (k *Keeper) own(key lvs.Key) {
	k.owned[key], k.told[key], k.open[key] = true, true, true
	k.unsure[key] = false
	k.status.Owned = nil
}

// disown lets go of the services that are neither wanted nor there. All that are wanted are owned.
func (k *Keeper) disown() {
	if k.have == nil || len(k.owned) == len(k.want) {
		return
	}
	for key := range k.owned {
		_, there := k.have[key]
		_, unsure := k.unsure[key]
		if !there && !unsure && !k.wanted(key) {
			delete(k.owned, key)
			k.status.Owned = nil
		}
	}
}

// rewant takes another want, and notes which services are wanted otherwise than before.
func (k *Keeper) rewant(want lvs.Table) {
	for key, entry := range want {
		if old, wanted := k.want[key]; !wanted || !same(old, entry) {
			k.open[key] = true
		}
	}
	for key := range k.want {
		if _, stays := want[key]; !stays {
			k.open[key] = true
		}
	}
	if k.want = want; want == nil {
		k.want = lvs.Table{}
	}
}

// diff gives what makes the kernel hold what is wanted, of all services that are not in doubt.
func (k *Keeper) diff() []lvs.Change {
	have, want := lvs.Table{}, lvs.Table{}
	for key := range k.open {
		if _, unsure := k.unsure[key]; unsure {
			continue
		}
		is, there := k.have[key]
		shall, wanted := k.want[key]
		if there == wanted && same(is, shall) {
			delete(k.open, key)
			continue
		}
		if there {
			have[key] = is
		}
		if wanted {
			want[key] = shall
		}
	}
	return lvs.Diff(have, want)
}

// same compares entries. Tables share them, so most are one and the same.
func same(a, b lvs.Entry) bool {
	return a.Service == b.Service &&
		(reflect.ValueOf(a.Servers).Pointer() == reflect.ValueOf(b.Servers).Pointer() || maps.Equal(a.Servers, b.Servers))
}
