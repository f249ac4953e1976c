package daemon

import (
	"errors"
	"fmt"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
)

// syncing is a kernel whose daemons of connection synchronisation can be started and ended.
type syncing interface {
	Syncing() (map[ipvs.SyncRole]ipvs.Sync, error)
	StartSync(ipvs.SyncRole, ipvs.Sync) error
	StopSync(ipvs.SyncRole, ipvs.Sync) error
}

// keepSyncing makes the function that keeps both daemons of connection synchronisation as wanted; the zero Sync is that
// none are. One that runs otherwise is ended first: the kernel has one of each role. Those of an earlier configuration
// are ended with it, those that somebody else runs are left alone.
func (d *daemon) keepSyncing() func(want ipvs.Sync, fresh bool) error {
	var kept ipvs.Sync // what this process has wanted so far
	failed := ""
	return func(want ipvs.Sync, fresh bool) error {
		if want == (ipvs.Sync{}) && kept == want {
			return nil
		}
		actor := director.CauseReload
		switch {
		case !fresh:
			actor = audit.EventDrift
		case kept == ipvs.Sync{}:
			actor = director.CauseStart
		}
		err := d.syncAs(want, kept, actor)
		if err == nil {
			kept = want
		}
		words := ""
		if err != nil {
			words = err.Error()
		}
		if words != failed && err != nil {
			d.world.Log.Error().Err(err).Msg("connections are not synchronised; trying again")
		}
		failed = words
		return err
	}
}

// syncAs makes the daemons run as wanted and records what that takes.
func (d *daemon) syncAs(want, kept ipvs.Sync, actor string) error {
	r := d.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ensure(); err != nil {
		return err
	}
	k, ok := r.kernel.(syncing)
	if !ok {
		return nil
	}
	running, err := k.Syncing()
	if err != nil {
		return fmt.Errorf("read sync daemons: %w", err)
	}
	var errs []error
	for _, role := range []ipvs.SyncRole{ipvs.SyncHears, ipvs.SyncSends} {
		have, runs := running[role]
		if runs && have == want || !runs && want == (ipvs.Sync{}) || runs && want == (ipvs.Sync{}) && have != kept {
			continue
		}
		e := audit.Entry{Event: audit.EventTable, Actor: actor, From: "not running", To: "not running"}
		var err error
		if runs {
			e.From, e.Command = "running", "--stop-daemon "+role.String()
			err = k.StopSync(role, have)
		}
		if err == nil && want != (ipvs.Sync{}) {
			e.To, e.Command = "running", want.Command(role)
			err = k.StartSync(role, want)
		}
		if err != nil {
			err = fmt.Errorf("sync daemon: %w", err)
			e.Error = err.Error()
			errs = append(errs, err)
		}
		d.recorder.record(e)
	}
	return errors.Join(errs...)
}
