package daemon

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// wanted is what the director wants of the kernel.
type wanted struct {
	table lvs.Table
	cause string
	ready bool // lvsd is ready when this table is in
}

// table keeps the kernel's table. apply and flush are the table loop's; the other methods may be called by any goroutine.
type table struct {
	keeper   *ipvs.Keeper
	dir      string // of the state
	recorder *recorder
	ready    chan<- struct{}
	isReady  bool
	cause    string // of what is being written

	mu        sync.Mutex
	owned     map[lvs.Key]bool // in the kernel by lvsd's hand, and so lvsd's to remove
	state     ipvs.Status
	failing   time.Time // since when state.Err is not nil
	saveError string
}

func newTable(k ipvs.Kernel, c *config.Config, owned map[lvs.Key]bool, r *recorder, ready chan<- struct{}) *table {
	t := &table{dir: c.State, owned: owned, recorder: r, ready: ready}
	t.keeper = ipvs.NewKeeper(k, c.Resync, t.report)
	return t
}

// apply makes the kernel's table as wanted; fresh is false when it only looks whether it still is.
func (t *table) apply(w wanted, fresh bool) error {
	t.cause = w.cause
	var err error
	if fresh {
		owned := t.ownedKeys()
		for key := range w.table {
			owned[key] = true
		}
		t.own(owned) // before a service is added: a crash in between must not make a stranger of it
		err = t.keeper.Sync(ipvs.Wanted{Table: w.table, Owned: owned})
	} else {
		err = t.keeper.Resync()
	}
	t.note(err)
	if w.ready && !t.isReady && !errors.Is(err, ipvs.ErrUnheard) { // what the kernel refused is told; the rest is served
		t.isReady = true
		close(t.ready)
	}
	return err
}

// note keeps how a turn went, and tells when that changes.
func (t *table) note(err error) {
	state := t.keeper.Status()
	owned := make(map[lvs.Key]bool, len(state.Owned))
	for _, key := range state.Owned {
		owned[key] = true
	}
	t.own(owned)
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.state.Err
	t.state = state
	switch {
	case err == nil:
		t.failing = time.Time{}
		if was != nil {
			t.recorder.record(audit.Entry{Event: audit.EventTable, Actor: t.cause, From: "not in sync", To: "in sync"})
		}
	case was == nil:
		t.failing = time.Now()
		fallthrough
	case was.Error() != err.Error():
		t.recorder.record(audit.Entry{Event: audit.EventTable, Actor: t.cause, To: "not in sync", Error: err.Error()})
	}
}

// report records what the keeper did.
func (t *table) report(e ipvs.Event) {
	c := e.Change
	entry := audit.Entry{Event: audit.EventTable, Actor: t.cause, Virtual: c.Key.String(), Command: c.String(), Service: t.recorder.reasons.name(c.Key)}
	entry.From, entry.To = c.Before(), c.After()
	if c.Addr.IsValid() {
		entry.Server = c.Addr.String()
		if m, ok := t.recorder.reasons.of(entry.Virtual, entry.Server, e.Err == nil); ok && e.Kind == ipvs.Wrote {
			entry.Actor, entry.Reason = m.actor, m.reason
		}
	}
	if e.Err != nil {
		entry.Error = e.Err.Error()
	}
	switch e.Kind {
	case ipvs.Repaired:
		entry.Event, entry.Actor, entry.Reason = audit.EventDrift, "drift", "changed by somebody else; repaired"
	case ipvs.Contested:
		entry.Event, entry.Actor = audit.EventDrift, "drift"
		entry.Error = "another writer: repaired three times in a minute; left alone until nobody has touched it for a minute"
	case ipvs.Calm:
		entry = audit.Entry{Event: audit.EventDrift, Actor: "drift", Virtual: entry.Virtual, Server: entry.Server, Reason: "untouched for a minute; repairs resume"}
	}
	t.recorder.record(entry)
}

// own keeps which services are lvsd's. State that cannot be written is told once and tried again; serving goes on.
func (t *table) own(keys map[lvs.Key]bool) {
	t.mu.Lock()
	same := maps.Equal(t.owned, keys) && t.saveError == ""
	t.owned = keys
	failed := t.saveError
	t.mu.Unlock()
	if same {
		return
	}
	words := ""
	if err := writeOwned(t.dir, keys); err != nil {
		words = err.Error()
	}
	t.mu.Lock()
	t.saveError = words
	t.mu.Unlock()
	if words != "" && words != failed {
		t.recorder.log.Warn().Str("err", words).Msg("owned services not kept; a restart may take dropped ones for foreign")
	}
}

func (t *table) ownedKeys() map[lvs.Key]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.owned)
}

// flush takes out of the kernel what lvsd put there. The table loop must have ended.
func (t *table) flush() error {
	t.cause = director.CauseStop
	err := t.keeper.Sync(ipvs.Wanted{Owned: t.ownedKeys()})
	t.note(err)
	return err
}

func (t *table) status(resync time.Duration) control.Kernel {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := control.Kernel{
		LastSync: t.state.Good, Failing: t.failing, Writes: t.state.Writes, Repairs: t.state.Repairs,
		Sweep: t.state.Sweep, Owned: len(t.owned), Resync: resync,
	}
	if t.state.Err != nil {
		k.Error = t.state.Err.Error()
	}
	for _, c := range t.state.Contested {
		k.Contested = append(k.Contested, c.String())
	}
	return k
}
