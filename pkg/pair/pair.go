package pair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/vip"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// Options are what a Pair is made of.
type Options struct {
	Config   *link.Config
	Version  string  // of this program
	RealTime string  // for link.State
	Dir      string  // of the record, such as /run/lvsd-vrrp; empty is no record and no resume
	Frozen   *Frozen // from the program before in this process, or nil; its configuration becomes Config as by Apply
	Changed  func()  // there is something new of Since; called in the loop, must not block

	// Keep begins to keep addresses; nil is a vip.Keeper. The Pair closes it.
	Keep func(report func(vip.Report)) (Addresses, error)
}

// Pair is the virtual routers of this host. Its methods but Run may be called from any goroutine.
type Pair struct {
	mailbox mailbox
	loop    *loop
	turned  atomic.Int64 // vrrp.Instant of the loop's last turn
	done    chan struct{}
	final   *link.State // once done
}

// Errors of calls that the loop does not answer.
var (
	ErrEnded = errors.New("the vrrp process ends")
	ErrStuck = errors.New("the vrrp loop does not answer")
	errBusy  = errors.New("a virtual router gives its role away at this moment")
)

// answerTime is how long a caller waits for the loop.
const answerTime = 5 * time.Second

// Open makes everything ready: the record, the sockets of routers whose interfaces are there, the keeping of addresses.
// Nothing is sent before Run. CAP_NET_ADMIN and CAP_NET_RAW are needed.
func Open(o Options) (*Pair, error) {
	if err := check(o.Config); err != nil {
		return nil, err
	}
	p := &Pair{done: make(chan struct{})}
	l, err := openLoop(p, o)
	if err != nil {
		return nil, fmt.Errorf("open the pair: %w", err)
	}
	p.loop = l
	p.turned.Store(int64(boottime()))
	return p, nil
}

// Run speaks VRRP until ctx is done. Then it gives every role away softly, takes the VIPs off and returns: within twice the
// longest skew and some 3 s. After Freeze it returns at once and leaves the VIPs. Everything is closed when it returns. It is
// called once, and takes the thread for itself.
func (p *Pair) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.mailbox.call(p.loop.stop) })
	defer stop()
	return p.loop.run()
}

// Hear takes what `lvsd run` says.
func (p *Pair) Hear(w link.Word) {
	p.mailbox.call(func(now moment) { p.loop.core.hearWord(now, w) })
}

// State gives everything that is known. It is the last one once Run has returned, and empty if the loop does not answer.
func (p *Pair) State() *link.State {
	var s *link.State
	err := p.ask(context.Background(), func(now moment) { s = p.loop.core.state(now) })
	switch {
	case err == nil:
		return s
	case errors.Is(err, ErrEnded):
		return p.final
	}
	return &link.State{PID: os.Getpid(), At: time.Now(), RealTime: err.Error()}
}

// Since gives the transitions and notices after seq that are remembered, oldest first.
func (p *Pair) Since(seq uint64) (transitions []link.Transition, notices []link.Notice) {
	err := p.ask(context.Background(), func(moment) { transitions, notices = p.loop.core.history.since(seq) })
	if errors.Is(err, ErrEnded) { // nothing changes any more
		return p.loop.core.history.since(seq)
	}
	return transitions, notices
}

// Prepare tells whether Apply could work now. It changes nothing.
func (p *Pair) Prepare(cfg *link.Config) error {
	if err := check(cfg); err != nil {
		return err
	}
	return p.ask(context.Background(), func(moment) {})
}

// Apply makes a configuration so, and keeps mastership where it can. It returns when that has begun: routers that go give
// their role away softly, and what is to come in their place comes after that.
func (p *Pair) Apply(cfg *link.Config) error {
	links, err := p.loop.core.addresses.Links() // here, for the kernel may let it wait
	if err != nil {
		return fmt.Errorf("look at interfaces: %w", err)
	}
	var result error
	if err := p.ask(context.Background(), func(now moment) {
		p.loop.core.meet(links)
		result = p.loop.core.apply(now, cfg)
	}); err != nil {
		return err
	}
	return result
}

// Handover gives the role of a router, a group or all away softly, and returns when the successor was heard. If nobody takes
// it, this director stays master and an error says so.
func (p *Pair) Handover(ctx context.Context, h link.Handover) error {
	result := make(chan error, 1)
	begin := func(now moment) { p.loop.core.handOver(now, h, func(err error) { result <- err }) }
	if !p.mailbox.call(begin) {
		return ErrEnded
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done:
		select {
		case err := <-result:
			return err
		default:
			return ErrEnded
		}
	}
}

// Freeze ends the loop for an exec of the next program in this process, and leaves VIPs and sockets as they are: an advert
// is sent last, and the sockets' descriptors in what it returns stay open over the exec. It waits while a role is being given
// away, until ctx is done. If the exec fails, Open with it goes on.
func (p *Pair) Freeze(ctx context.Context) (*Frozen, error) {
	for {
		var f *Frozen
		var result error
		err := p.ask(context.WithoutCancel(ctx), func(now moment) { f, result = p.loop.freeze(now) })
		switch {
		case err != nil:
			return nil, err
		case result == nil:
			<-p.done
			return f, nil
		case !errors.Is(result, errBusy):
			return nil, result
		}
		select {
		case <-ctx.Done():
			return nil, result
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ask calls f in the loop and waits for it, within a bound.
func (p *Pair) ask(ctx context.Context, f func(moment)) error {
	answered := make(chan struct{})
	if !p.mailbox.call(func(now moment) { f(now); close(answered) }) {
		<-p.done
		return ErrEnded
	}
	select {
	case <-answered:
		return nil
	case <-p.done:
		select {
		case <-answered:
			return nil
		default:
			return ErrEnded
		}
	case <-time.After(answerTime):
		return ErrStuck
	case <-ctx.Done():
		return ctx.Err()
	}
}

// aliveBound is how long the loop may not turn; it turns at least four times in that.
const aliveBound = time.Second

// Alive tells whether the loop turns: an error if it did not for a second.
func (p *Pair) Alive() error {
	if age := boottime().Sub(vrrp.Instant(p.turned.Load())); age > aliveBound {
		return fmt.Errorf("the vrrp loop has not turned for %v", age.Round(time.Millisecond))
	}
	return nil
}
