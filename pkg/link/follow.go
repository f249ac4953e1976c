package link

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Back-off between two attempts to connect. Connecting is cheap; what is lost meanwhile is the peer's next word.
const (
	retryFirst = 20 * time.Millisecond
	retryMost  = time.Second
)

// silence is how long a vrrp process that is followed may say nothing before it is connected to anew: it tells its state
// every stateEvery.
const silence = 5 * stateEvery

// Following is `lvsd run`'s side of the link. All functions are called by the one goroutine that Follow is called from or
// makes, one at a time; they should return soon.
type Following struct {
	Path   string
	Since  uint64                   // what was heard before has numbers up to this
	Words  <-chan Word              // each is sent at once, and the last again every WordEvery
	Heard  func(Message)            // Transitions and Notices, each once and in order, and State
	Turned func(up bool, err error) // connected, or not: why; told once for each change, at first too
}

// Follow keeps a connection until ctx is done, connecting anew with a back-off whenever it breaks.
func Follow(ctx context.Context, f Following) {
	s := following{Following: f, seq: f.Since}
	retry := retryFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := s.connected(ctx)
		if ctx.Err() != nil {
			return
		}
		s.turn(false, err)
		if time.Since(began) > retryMost {
			retry = retryFirst
		}
		if !s.pause(ctx, retry) {
			return
		}
		retry = min(2*retry, retryMost)
	}
}

type following struct {
	Following
	seq  uint64
	word *Word
	told bool
	up   bool
}

// turn tells a change.
func (s *following) turn(up bool, err error) {
	if s.told && s.up == up {
		return
	}
	s.told, s.up = true, up
	s.Turned(up, err)
}

// pause waits and takes words meanwhile, so that who says them is not kept.
func (s *following) pause(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case w, ok := <-s.Words:
			s.take(w, ok)
		case <-wait.C:
			return true
		}
	}
}

func (s *following) take(w Word, ok bool) {
	if !ok {
		s.Words = nil
		return
	}
	s.word = &w
}

// connected lives through one connection.
func (s *following) connected(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, sendTimeout)
	c, err := Dial(dialing, s.Path)
	cancel()
	if err != nil {
		return err
	}
	var listening sync.WaitGroup
	defer listening.Wait()
	defer c.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	heard, ended := make(chan Message), make(chan error, 1)
	listening.Go(func() { ended <- listen(ctx, c, heard) })
	since := s.seq
	if err := c.wire.send(Message{Follow: &since, Word: s.word}); err != nil {
		return unanswered(s.Path, err)
	}
	return s.talk(ctx, c, heard, ended)
}

// listen passes on what comes.
func listen(ctx context.Context, c *Client, heard chan<- Message) error {
	for {
		if err := c.wire.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		m, err := c.wire.receive()
		if err != nil {
			return err
		}
		select {
		case heard <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *following) talk(ctx context.Context, c *Client, heard <-chan Message, ended <-chan error) error {
	tick := time.NewTicker(WordEvery)
	defer tick.Stop()
	for {
		speak := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return unanswered(s.Path, err)
		case m := <-heard:
			if m.Error != "" {
				return unanswered(s.Path, errors.New(m.Error))
			}
			s.hear(m)
		case w, ok := <-s.Words:
			s.take(w, ok)
			speak = ok
		case <-tick.C:
			speak = s.word != nil
		}
		if speak {
			if err := c.wire.send(Message{Word: s.word}); err != nil {
				return unanswered(s.Path, err)
			}
		}
	}
}

// hear passes a message on and keeps its last number.
func (s *following) hear(m Message) {
	s.turn(true, nil)
	if n := len(m.Transitions); n > 0 {
		s.seq = m.Transitions[n-1].Seq
	}
	if n := len(m.Notices); n > 0 && (len(m.Transitions) == 0 || m.Notices[n-1].Seq > s.seq) {
		s.seq = m.Notices[n-1].Seq
	}
	if m.State != nil || len(m.Transitions)+len(m.Notices) > 0 {
		s.Heard(m)
	}
}
