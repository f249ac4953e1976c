package link

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	untrustedLimit = 1 << 10         // of a message of somebody who may only ask
	untrustedIdle  = 5 * time.Second // between two of its messages
	untrustedPace  = 100 * time.Millisecond
	trustedIdle    = 60 * time.Second // of one who does not follow
	stateEvery     = time.Second
	tellAtOnce     = 256 // transitions and notices in one message
)

// caller is one connection, as the server has it.
type caller struct {
	wire    *wire
	backend Backend
	trusted bool
	uid     uint32
	nudges  chan struct{}
}

func newCaller(c *net.UnixConn, b Backend, trusted bool, uid uint32) *caller {
	limit := untrustedLimit
	if trusted {
		limit = MaxMessage
	}
	return &caller{wire: newWire(c, limit), backend: b, trusted: trusted, uid: uid, nudges: make(chan struct{}, 1)}
}

func (c *caller) nudged() {
	select {
	case c.nudges <- struct{}{}:
	default:
	}
}

// serve answers until the caller leaves, breaks the rules, or does not take what it is sent.
func (c *caller) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	defer c.wire.conn.Close()
	follows := false
	for {
		if c.wire.conn.SetReadDeadline(c.patience(follows)) != nil {
			return
		}
		m, err := c.wire.receive()
		if err != nil {
			return
		}
		if m.Follow != nil && c.trusted && !follows {
			follows = true
			telling.Go(func() { c.tell(ctx, *m.Follow) })
		}
		if reply, due := c.answer(ctx, m); due && c.wire.send(reply) != nil {
			return
		}
		if !c.trusted {
			c.rest(ctx)
		}
	}
}

// rest keeps one who may only ask from asking so often that it takes this process' time.
func (c *caller) rest(ctx context.Context) {
	wait := time.NewTimer(untrustedPace)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

// patience is until when the next message must come. `lvsd run` speaks every WordEvery; without its word for so long it
// is stopped or stuck, and connects anew when it is not.
func (c *caller) patience(follows bool) time.Time {
	switch {
	case follows:
		return time.Now().Add(6 * WordLease)
	case c.trusted:
		return time.Now().Add(trustedIdle)
	}
	return time.Now().Add(untrustedIdle)
}

// answer does what a message asks. A request gets a reply; what the other side says of itself gets none, unless it may
// not say so.
func (c *caller) answer(ctx context.Context, m Message) (reply Message, due bool) {
	reply.ID = m.ID
	err := c.act(ctx, m, &reply)
	if err != nil {
		return Message{ID: m.ID, Error: err.Error()}, true
	}
	reply.OK = true
	return reply, m.ID != 0
}

func (c *caller) act(ctx context.Context, m Message, reply *Message) error {
	if m.Ask {
		reply.State = c.backend.State()
		return nil
	}
	if !c.trusted {
		return fmt.Errorf("uid %d may only ask for the state; the rest is for root and lvsd's own user", c.uid)
	}
	switch {
	case m.Word != nil:
		c.backend.Hear(*m.Word)
	case m.Prepare != nil:
		return c.backend.Prepare(m.Prepare)
	case m.Apply != nil:
		return c.backend.Apply(m.Apply)
	case m.Reexec != nil:
		anew, err := c.backend.Reexec(m.Reexec)
		reply.Anew = anew
		return err
	case m.Handover != nil:
		return c.backend.Handover(ctx, *m.Handover)
	case m.Follow != nil:
	case m.ID != 0:
		return fmt.Errorf("this lvsd does not know what it is asked for")
	}
	return nil
}

// tell sends what is new after seq and the state, at each nudge and every stateEvery. One who does not take it in time is
// cut off, and may follow again from where it was.
func (c *caller) tell(ctx context.Context, seq uint64) {
	defer c.wire.conn.Close()
	seq = c.known(seq)
	tick := time.NewTicker(stateEvery)
	defer tick.Stop()
	for {
		var err error
		if seq, err = c.tellSince(seq); err != nil {
			return
		}
		if c.wire.send(Message{State: c.backend.State()}) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.nudges:
		}
	}
}

// known is seq, or 0 where nothing has so high a number: the numbers began anew since, and all of them are new.
func (c *caller) known(seq uint64) uint64 {
	if c.backend.State().Seq < seq {
		return 0
	}
	return seq
}

// tellSince sends what is new after seq, in the order of its numbers, and gives the last number.
func (c *caller) tellSince(seq uint64) (uint64, error) {
	transitions, notices := c.backend.Since(seq)
	for len(transitions)+len(notices) > 0 {
		var m Message
		for range tellAtOnce {
			switch {
			case len(transitions) > 0 && (len(notices) == 0 || transitions[0].Seq < notices[0].Seq):
				seq = transitions[0].Seq
				m.Transitions, transitions = append(m.Transitions, transitions[0]), transitions[1:]
			case len(notices) > 0:
				seq = notices[0].Seq
				m.Notices, notices = append(m.Notices, notices[0]), notices[1:]
			}
		}
		if err := c.wire.send(m); err != nil {
			return seq, err
		}
	}
	return seq, nil
}
