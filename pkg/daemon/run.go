package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/systemd"
)

// Run keeps the table until ctx is done. An error means that it could not begin; what goes wrong later is told in
// status, log and record, and tried again. The table is left as it is, unless the options say otherwise.
func Run(ctx context.Context, w World, o Options, signals Signals) error {
	d, err := open(w, o)
	if err != nil {
		return err
	}
	return d.live(ctx, signals)
}

// daemon is what Run joins together. Its fields are set by open and only read after.
type daemon struct {
	world    World
	options  Options
	lock     *net.UnixListener // nil if a stranger has its name
	server   *control.Server
	recorder *recorder
	config   *current
	monitors *health.Monitors
	table    *table
	reader   *reader
	resync   time.Duration
	loop     *reconcile.Loop[wanted]
	verdicts *reconcile.Loop[map[lvs.CheckID]director.Known]
	syncs    *reconcile.Loop[ipvs.Sync]
	partner  *partner
	queues   *notify.Queues
	aside    context.Context // of what goes on beside the data's way, until the data has drained
	paired   bool            // the vrrp process is followed
	configs  chan director.Config
	asks     chan director.Ask
	probed   chan director.Probed
	reloads  chan reloadRequest
	ready    chan struct{} // closed when the table that is worth being ready for is in the kernel
	stopping chan struct{} // closed when nothing from outside is handled any more
	before   lvs.Table
	running  sync.WaitGroup
}

// open loads the configuration and opens what is outside. On an error nothing is left open and nothing was changed.
func open(w World, o Options) (d *daemon, err error) {
	c, err := config.Load(o.Config)
	if err != nil {
		return nil, err
	}
	d = &daemon{
		world: w, options: o, config: newCurrent(c),
		configs: make(chan director.Config), asks: make(chan director.Ask), probed: make(chan director.Probed),
		reloads: make(chan reloadRequest), ready: make(chan struct{}), stopping: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			d.abandon()
		}
	}()
	var stranger string
	if d.lock, stranger, err = tableClaim.take(); err != nil {
		return d, err
	}
	if stranger != "" {
		w.Log.Error().Str("holder", stranger).Msg("a stranger holds the name of lvsd's lock; lvsd runs without it")
	}
	if d.server, err = control.Listen(c.Control.Socket, w.Version); err != nil {
		return d, err
	}
	d.server.Allow(control.Access{Read: c.Control.Read, Admin: c.Control.Admin})
	kernel, err := w.Kernel()
	if err != nil {
		return d, err
	}
	if d.before, err = ipvs.Read(kernel); err != nil {
		return d, fmt.Errorf("read the IPVS table: %w", err)
	}
	record, err := audit.Open(c.Audit, d.auditTurned)
	if err != nil {
		return d, err
	}
	d.recorder = &recorder{log: w.Log, audit: record, reasons: newReasons()}
	d.recorder.reasons.configure(c.Director)
	d.recall(c, kernel)
	d.reader, d.resync = &reader{open: w.Kernel}, c.Resync
	return d, nil
}

func (d *daemon) abandon() {
	if d.lock != nil {
		_ = d.lock.Close()
	}
	if d.server != nil {
		_ = d.server.Close()
	}
}

// auditTurned tells when the record can no longer be written, and when it can again.
func (d *daemon) auditTurned(err error) {
	if err != nil {
		d.world.Log.Error().Err(err).Msg("audit file cannot be written; probing goes on, lines are kept or counted")
		return
	}
	d.world.Log.Info().Msg("audit file is written again")
}

// recall reads the state files and makes the parts that begin with them. State that cannot be read is told and done
// without: the kernel's table is still taken over.
func (d *daemon) recall(c *config.Config, kernel ipvs.Kernel) {
	if err := os.MkdirAll(c.State, 0o750); err != nil {
		d.world.Log.Warn().Err(err).Msg("state directory cannot be made; verdicts and owned services will not survive a restart")
	}
	owned, err := ReadOwned(c.State)
	if err != nil {
		d.world.Log.Warn().Err(err).Msg("state not read; services that an earlier configuration had are taken for foreign")
	}
	seeds, err := readVerdicts(c.State)
	if err != nil {
		d.world.Log.Warn().Err(err).Msg("state not read; the first try of every check decides")
	}
	d.monitors = health.NewMonitors(seeds)
	d.table = newTable(kernel, c, owned, d.recorder, d.ready)
	d.loop = reconcile.NewLoop(d.table.apply, tableRetry, c.Resync)
	d.verdicts = reconcile.NewLoop(d.keepVerdicts(c.State), verdictsRetry, verdictsAgain)
	d.syncs = reconcile.NewLoop(d.keepSyncing(), syncsAgain, syncsAgain)
	d.queues = notify.Open(c.State, c.Name, d.told, func(err error) {
		d.world.Log.Error().Err(err).Msg("telling of changes is in trouble")
	})
	since, err := readPartner(c.State)
	if err != nil {
		d.world.Log.Warn().Err(err).Msg("state not read; what VRRP did lately is recorded anew")
	}
	d.partner = newPartner(LinkPath(c.Runtime), c.State, since, d.recorder.record, d.queues.Tell, d.monitors.SetRole, func(err error) {
		d.world.Log.Warn().Err(err).Msg("how far VRRP was recorded is not kept; after a restart it is recorded again")
	})
}

// live runs the parts until ctx is done and ends them in the order of the data.
func (d *daemon) live(ctx context.Context, signals Signals) error {
	c := d.config.get()
	d.recorder.record(audit.Entry{Event: audit.EventDaemon, Actor: director.CauseStart, To: "started", Reason: d.world.Version})
	for _, warning := range c.Warnings {
		d.world.Log.Warn().Msg(warning)
	}
	if err := d.setTimeouts(c.Timeouts, director.CauseStart); err != nil {
		d.world.Log.Warn().Err(err).Msg("connection timeouts stay as they were")
	}
	aside, endAside := context.WithCancel(context.Background())
	defer endAside()
	d.aside = aside
	decided := make(chan struct{})
	go func() {
		defer close(decided)
		director.Run(director.Inputs{
			Configs: d.configs, Reports: d.monitors.Reports(), Asks: d.asks, Probed: d.probed,
		}, d.outputs(aside), d.before)
	}()
	tableDone := make(chan struct{})
	go func() { defer close(tableDone); d.loop.Run() }()
	verdictsDone := make(chan struct{})
	go func() { defer close(verdictsDone); d.verdicts.Run() }()
	syncsDone := make(chan struct{})
	go func() { defer close(syncsDone); d.syncs.Run() }()
	d.queues.Set(c.Notifiers)
	d.syncs.Set(c.Sync)
	d.pairUp(aside, c)
	d.running.Go(func() {
		if err := d.server.Serve(aside, d); err != nil {
			d.world.Log.Error().Err(err).Msg("control socket closed")
		}
	})
	d.running.Go(func() {
		report := func(err error) { d.world.Log.Error().Err(err).Msg("systemd's watchdog was not fed; trying again") }
		if err := systemd.Watchdog(aside, d.alive, report); err != nil {
			d.world.Log.Error().Err(err).Msg("watchdog is not fed")
		}
	})
	d.configs <- c.Director
	d.monitors.Set(c.Director.Checks)

	d.serve(ctx, signals)
	close(d.stopping)

	_ = systemd.Stopping()
	d.monitors.Close()
	<-decided
	d.loop.Close()
	d.verdicts.Close()
	d.syncs.Close()
	err := errors.Join(within(tableDone, "table"), within(verdictsDone, "state"), within(syncsDone, "connection synchronisation"))
	if d.options.FlushOnStop && err == nil {
		err = d.table.flush()
	}
	endAside()
	d.running.Wait()
	last, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := d.queues.Close(last); err != nil {
		d.world.Log.Warn().Err(err).Msg("what was not told may not be told after the next start")
	}
	d.recorder.record(audit.Entry{Event: audit.EventDaemon, Actor: director.CauseStop, To: "stopped"})
	closing, done := context.WithTimeout(context.Background(), stopTimeout)
	defer done()
	err = errors.Join(err, d.recorder.audit.Close(closing))
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// serve handles what comes from outside until ctx is done.
func (d *daemon) serve(ctx context.Context, signals Signals) {
	ready := d.ready
	for {
		select {
		case <-ctx.Done():
			return
		case <-ready:
			ready = nil
			d.recorder.record(audit.Entry{Event: audit.EventDaemon, Actor: director.CauseStart, To: "ready"})
			d.partner.ready()
			_ = systemd.Ready(d.summary())
		case <-signals.Reload:
			_, _ = d.reload(ctx, nil)
		case r := <-d.reloads:
			done, err := d.reload(ctx, &r.by.UID)
			r.reply <- reloadReply{done, err}
		case <-signals.Reopen:
			d.recorder.audit.Reopen()
		}
	}
}

// outputs are where the director's words go.
func (d *daemon) outputs(ctx context.Context) director.Outputs {
	var last wanted // only the director's goroutine sees it
	return director.Outputs{
		Table: func(t lvs.Table, cause string) {
			last.table, last.cause = t, cause
			d.loop.Set(last)
		},
		Ready: func() {
			last.ready = true
			d.loop.Set(last)
		},
		Record:   d.recorder.record,
		Verdicts: d.verdicts.Set,
		Event:    d.queues.Tell,
		Standing: d.partner.stand,
		Probe: func(addrs []netip.Addr) {
			d.running.Go(func() { // one at a time: the director asks again only after an answer
				asking, cancel := context.WithTimeout(ctx, probeTimeout)
				defer cancel()
				select {
				case d.probed <- d.world.Neighbors(asking, addrs):
				case <-ctx.Done():
				}
			})
		},
	}
}
