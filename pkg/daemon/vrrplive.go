package daemon

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/pair"
	"github.com/lvsd/lvsd/pkg/systemd"
)

// vrrpProcess is what the vrrp process joins together. Its fields are set by openVRRP and only read after.
type vrrpProcess struct {
	options VRRPOptions
	handoff *handoff
	image   time.Time
	server  *link.Server
	pair    *pair.Pair
	reexecs chan *link.Config // validated; the first one is executed
	changed chan struct{}
	seq     uint64 // of the last thing that the program before told
}

// openVRRP goes on where the program before ended. What can be done later than the first advert is.
func openVRRP(o VRRPOptions, h *handoff, image time.Time) (*vrrpProcess, error) {
	v := &vrrpProcess{
		options: o, handoff: h, image: image,
		reexecs: make(chan *link.Config, 1), changed: make(chan struct{}, 1),
	}
	record, err := pair.ReadRecord(o.Dir)
	if err != nil {
		return nil, err
	}
	if v.seq = record.Seq(); h.Pair != nil {
		v.seq = h.Pair.Seq
	}
	if v.server, err = link.Inherit(os.NewFile(uintptr(h.Link), "link")); err != nil {
		return nil, err
	}
	v.pair, err = pair.Open(pair.Options{
		Config: h.Config, Version: o.Version, RealTime: h.RealTime.Words, Dir: o.Dir, Frozen: h.Pair, Changed: v.nudge,
	})
	if err != nil {
		_ = v.server.Close()
		return nil, fmt.Errorf("begin VRRP: %w", err)
	}
	return v, nil
}

// nudge tells that there is something new. It is called from the loop of adverts: it neither blocks nor allocates.
func (v *vrrpProcess) nudge() {
	v.server.Changed()
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// live runs until ctx is done or the loop gives up, or until a reload: then it ends with everything as it is and gives what
// the next program goes on with.
func (v *vrrpProcess) live(ctx context.Context, reload <-chan struct{}) (*handoff, error) {
	around, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- v.adverts(ctx) }()
	v.afterwards()
	running.Go(func() { v.serve(around) })
	running.Go(func() { v.watchdog(around) })
	running.Go(func() { v.report(around) })
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			_ = systemd.Stopping()
			return nil, <-ended
		case <-reload:
			go v.reread() // parsing holds up nobody
		case c := <-v.reexecs:
			next, err := v.handOn(c)
			if err != nil {
				v.options.Log.Error().Err(err).Msg("reload failed; nothing changed")
				continue
			}
			next.Close = linger()
			if next.Pair, err = v.freeze(ctx); err != nil {
				closeAll(append(next.Close, next.Link))
				v.options.Log.Error().Err(err).Msg("reload failed; nothing changed")
				continue
			}
			return next, <-ended
		}
	}
}

// freeze stops the loop with everything as it is.
func (v *vrrpProcess) freeze(ctx context.Context) (*pair.Frozen, error) {
	ctx, cancel := context.WithTimeout(ctx, freezePatience)
	defer cancel()
	f, err := v.pair.Freeze(ctx)
	if err != nil {
		return nil, fmt.Errorf("stop for a reload: %w", err)
	}
	return f, nil
}

// freezePatience is how long a reload waits for a role that is being given away.
const freezePatience = 3 * time.Second

// handOn makes what the next program goes on with, but for the state of VRRP.
func (v *vrrpProcess) handOn(c *link.Config) (*handoff, error) {
	f, err := v.server.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3) // for as long as the next program takes it
	if err != nil {
		return nil, fmt.Errorf("hand the link on: %w", err)
	}
	h := v.handoff
	return &handoff{Config: c, RealTime: h.RealTime, Started: h.Started, Lock: h.Lock, Stranger: h.Stranger, Link: fd}, nil
}

// adverts runs the loop on a thread of its own, above all others of the process.
func (v *vrrpProcess) adverts(ctx context.Context) error {
	runtime.LockOSThread() // not unlocked: the thread ends with the loop
	if v.handoff.RealTime.Fifo {
		if err := schedule(fifoAdverts); err != nil {
			v.options.Log.Warn().Err(err).Msg("adverts have no priority above the rest of this process")
		}
	}
	if err := v.pair.Run(ctx); err != nil {
		return fmt.Errorf("speak VRRP: %w", err)
	}
	return nil
}

// afterwards does what could wait for the first advert, and tells how things stand.
func (v *vrrpProcess) afterwards() {
	log, h := &v.options.Log, v.handoff
	closeAll(h.Close)
	if err := settleMemory(); err != nil {
		log.Warn().Err(err).Msg("memory is not locked; adverts wait where the system swaps")
	}
	if h.RealTime.Fifo {
		if err := brake(); err != nil {
			log.Warn().Err(err).Msg("no bound on processor time without a wait")
		}
	} else {
		log.Warn().Str("has", h.RealTime.Words).Msg("no real time; adverts may be late on a busy host")
	}
	if h.Stranger != "" {
		log.Error().Str("holder", h.Stranger).Msg("a stranger holds the name of lvsd's lock; lvsd runs without it")
	}
	if h.Trouble != "" {
		log.Error().Str("errors", h.Trouble).Msg("the configuration is bad; VRRP goes on with the one accepted last")
	}
	if len(h.Config.Routers) == 0 {
		log.Warn().Str("file", v.options.Config).Msg("no [[vrrp]] is configured; there is nothing to do until a reload")
	}
	v.keep(h.Config)
	log.Info().Str("version", v.options.Version).Int("routers", len(h.Config.Routers)).Str("priority", h.RealTime.Words).
		Bool("reload", h.Pair != nil).Msg("VRRP runs")
	if err := systemd.Ready(fmt.Sprintf("%d virtual routers", len(h.Config.Routers))); err != nil {
		log.Warn().Err(err).Msg("systemd not told")
	}
}

// keep remembers a configuration that was accepted.
func (v *vrrpProcess) keep(c *link.Config) {
	if err := writeAccepted(v.options.Dir, c); err != nil {
		v.options.Log.Warn().Err(err).Msg("a start with a bad file will not have this configuration")
	}
}

func (v *vrrpProcess) serve(ctx context.Context) {
	if err := v.server.Serve(ctx, v.backend()); err != nil {
		v.options.Log.Error().Err(err).Msg("lvsd run and operators cannot reach the vrrp process any more; adverts go on")
	}
}

func (v *vrrpProcess) watchdog(ctx context.Context) {
	log := &v.options.Log
	err := systemd.Watchdog(ctx, v.pair.Alive, func(err error) { log.Warn().Err(err).Msg("systemd not told") })
	if err != nil {
		log.Warn().Err(err).Msg("no watchdog")
	}
}

// report logs what happens. The record is written by `lvsd run`.
func (v *vrrpProcess) report(ctx context.Context) {
	seq := v.seq
	for more := true; more; {
		select {
		case <-ctx.Done():
			more = false
		case <-v.changed:
		}
		transitions, notices := v.pair.Since(seq)
		for _, t := range transitions {
			seq = max(seq, t.Seq)
			v.options.Log.Info().Str("group", t.Group).Strs("routers", t.Routers).Str("from", t.From).Str("to", t.To).
				Str("cause", t.Cause).Uint8("priority", t.Priority).Msg("transition")
		}
		for _, n := range notices {
			seq = max(seq, n.Seq)
			e := v.options.Log.Info()
			if n.Alarm {
				e = v.options.Log.Error()
			}
			e.Str("router", n.Router).Msg(n.Words)
		}
	}
}
