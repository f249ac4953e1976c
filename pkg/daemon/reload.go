package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/systemd"
)

// current is the configuration that holds, and how the last attempt to replace it went.
type current struct {
	mu      sync.Mutex
	config  *config.Config
	loaded  time.Time
	refused time.Time
	errors  []string
}

func newCurrent(c *config.Config) *current { return &current{config: c, loaded: time.Now()} }

func (c *current) get() *config.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config
}

// loadedAt is when the configuration that holds was taken.
func (c *current) loadedAt() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded
}

func (c *current) set(next *config.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config, c.loaded, c.refused, c.errors = next, time.Now(), time.Time{}, nil
}

func (c *current) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused, c.errors = time.Now(), linesOf(err)
}

func (c *current) status() control.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return control.Config{Files: c.config.Files, Warnings: c.config.Warnings, Refused: c.refused, Errors: c.errors}
}

// linesOf gives the errors that an error holds, one each.
func linesOf(err error) []string { return strings.Split(err.Error(), "\n") }

type reloadRequest struct {
	by    control.Caller
	reply chan<- reloadReply // has room for it
}

type reloadReply struct {
	done *control.Reloaded
	err  error
}

// Reload reads the configuration anew for a caller of the control socket.
func (d *daemon) Reload(ctx context.Context, by control.Caller) (*control.Reloaded, error) {
	reply := make(chan reloadReply, 1)
	select {
	case d.reloads <- reloadRequest{by, reply}:
	case <-d.stopping:
		return nil, errors.New("reload: lvsd is stopping")
	case <-ctx.Done():
		return nil, fmt.Errorf("reload: lvsd is busy: %w", context.Cause(ctx))
	}
	r := <-reply
	return r.done, r.err
}

// reload takes over the configuration file as it is now, or refuses it whole. It runs in serve's goroutine, so that two
// reloads never meet.
func (d *daemon) reload(ctx context.Context, uid *uint32) (*control.Reloaded, error) {
	if d.isReady() { // before that, systemd waits for the first table, not for a reload
		_ = systemd.Reloading()
		defer func() { _ = systemd.Ready(d.summary()) }()
	}
	actor := director.CauseReload
	if uid != nil {
		actor = "operator"
	}
	old := d.config.get()
	next, err := config.Load(d.options.Config)
	if err != nil {
		return nil, d.refused(err, actor, uid)
	}
	done := &control.Reloaded{Changes: append(director.Describe(old.Director, next.Director), describe(old, next)...)}
	done.Warnings = append(append([]string{}, next.Warnings...), needRestart(old, next)...)
	wanted := next.Director
	if wanted.Found, err = d.reader.find(added(old.Director, next.Director)); err != nil {
		return nil, d.refused(fmt.Errorf("reload: services that are new to lvsd could not be looked at, so nothing was changed: %w", err), actor, uid)
	}
	paired, err := d.preparePair(ctx, next)
	if err != nil {
		return nil, d.refused(fmt.Errorf("reload: the vrrp process refuses it, so nothing was changed: %w", err), actor, uid)
	}
	if err := d.recorder.audit.Set(next.Audit); err != nil {
		done.Warnings = append(done.Warnings, fmt.Sprintf("audit: %v; the record goes on as before", err))
	}
	if err := d.setTimeouts(next.Timeouts, actor); err != nil {
		done.Warnings = append(done.Warnings, err.Error())
	}
	d.server.Allow(control.Access{Read: next.Control.Read, Admin: next.Control.Admin})
	d.config.set(next)
	d.recorder.reasons.configure(next.Director)
	d.configs <- wanted // first: what the monitors report of a check that it does not know is dropped
	d.monitors.Set(next.Director.Checks)
	d.queues.Set(next.Notifiers)
	for _, subject := range gone(subjectsOf(old), subjectsOf(next)) {
		d.queues.Forget(subject)
	}
	d.syncs.Set(next.Sync)
	if err := paired(); err != nil {
		done.Warnings = append(done.Warnings, err.Error())
	}
	for _, warning := range done.Warnings {
		d.world.Log.Warn().Msg(warning)
	}
	what := "nothing changed"
	if n := len(done.Changes); n > 0 {
		what = fmt.Sprintf("%d changes: %s", n, joinBounded(done.Changes))
	}
	d.recorder.record(audit.Entry{Event: audit.EventConfig, Actor: actor, UID: uid, From: "in force", To: "replaced", Reason: what})
	d.tellOfConfig("LOADED", what)
	return done, nil
}

// refused tells that a configuration was not taken, and gives the error back.
func (d *daemon) refused(err error, actor string, uid *uint32) error {
	d.config.refuse(err)
	d.recorder.record(audit.Entry{
		Event: audit.EventConfig, Actor: actor, UID: uid, From: "in force", To: "refused", Error: err.Error(),
	})
	d.tellOfConfig("REFUSED", linesOf(err)[0])
	return err
}

// added lists the virtual services that one configuration has and another has not.
func added(old, next director.Config) []lvs.Key {
	had := make(map[lvs.Key]bool, len(old.Services))
	for _, v := range old.Services {
		had[v.Key] = true
	}
	var keys []lvs.Key
	for _, v := range next.Services {
		if !had[v.Key] {
			keys = append(keys, v.Key)
		}
	}
	return keys
}

// subjectsOf lists what a configuration has that somebody may be told of.
func subjectsOf(c *config.Config) map[notify.Subject]bool {
	all := map[notify.Subject]bool{}
	for _, v := range c.Director.Services {
		all[notify.Subject{Kind: "service", Name: v.Name}] = true
		for _, server := range slices.Concat(v.Servers, v.Sorry) {
			all[notify.ServerSubject(v.Name, server.Addr)] = true
		}
	}
	if c.Pair == nil {
		return all
	}
	for _, r := range c.Pair.Routers {
		all[notify.Subject{Kind: "vrrp", Name: r.Name}] = true
		if r.Group != "" {
			all[notify.Subject{Kind: "vrrp", Name: r.Group}] = true
		}
	}
	return all
}

// gone lists what one set has and another has not.
func gone(old, next map[notify.Subject]bool) []notify.Subject {
	var list []notify.Subject
	for s := range old {
		if !next[s] {
			list = append(list, s)
		}
	}
	return list
}

// isReady tells whether the table that is worth being ready for is in the kernel.
func (d *daemon) isReady() bool {
	select {
	case <-d.ready:
		return true
	default:
		return false
	}
}

// describe says what changes of the configuration outside the director's part.
func describe(old, next *config.Config) []string {
	var lines []string
	if old.Audit != next.Audit {
		lines = append(lines, "audit: changed")
	}
	if fmt.Sprint(old.Control.Read, old.Control.Admin) != fmt.Sprint(next.Control.Read, next.Control.Admin) {
		lines = append(lines, "control: who may call changed")
	}
	if old.Timeouts != next.Timeouts {
		lines = append(lines, "ipvs: timeouts changed")
	}
	if old.Sync != next.Sync {
		lines = append(lines, "vrrp: sync_connections changed")
	}
	lines = append(lines, describePair(old.Pair, next.Pair)...)
	return append(lines, describeNotifiers(old.Notifiers, next.Notifiers)...)
}

// describePair lists what changes of the routers.
func describePair(old, next *link.Config) []string {
	routers := func(c *link.Config) map[string]link.Router {
		all := map[string]link.Router{}
		if c != nil {
			for _, r := range c.Routers {
				all[r.Name] = r
			}
		}
		return all
	}
	return describeNamed("vrrp", routers(old), routers(next))
}

func describeNotifiers(old, next []notify.Notifier) []string {
	named := func(list []notify.Notifier) map[string]notify.Notifier {
		all := map[string]notify.Notifier{}
		for _, n := range list {
			all[n.Name] = n
		}
		return all
	}
	return describeNamed("notifier", named(old), named(next))
}

// describeNamed lists what is new, gone or otherwise of things with names.
func describeNamed[T any](kind string, old, next map[string]T) []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(next)) {
		switch was, there := old[name]; {
		case !there:
			lines = append(lines, fmt.Sprintf("%s %s: added", kind, name))
		case !reflect.DeepEqual(was, next[name]):
			lines = append(lines, fmt.Sprintf("%s %s: settings changed", kind, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, there := next[name]; !there {
			lines = append(lines, fmt.Sprintf("%s %s: removed", kind, name))
		}
	}
	return lines
}

// needRestart names what a reload cannot change.
func needRestart(old, next *config.Config) []string {
	var lines []string
	add := func(key string, was, is any) {
		if was != is {
			lines = append(lines, fmt.Sprintf("%s: %v takes effect at the next restart; until then %v", key, is, was))
		}
	}
	add("state", old.State, next.State)
	add("control.socket", old.Control.Socket, next.Control.Socket)
	add("runtime", old.Runtime, next.Runtime)
	add("resync", old.Resync, next.Resync)
	return lines
}

// joinBounded joins lines with "; ", as many as one line of the record holds well.
func joinBounded(lines []string) string {
	const most = 20
	text := ""
	for i, line := range lines {
		if i == most {
			return fmt.Sprintf("%s; and %d more", text, len(lines)-most)
		}
		if i > 0 {
			text += "; "
		}
		text += line
	}
	return text
}
