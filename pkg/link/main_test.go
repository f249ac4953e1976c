package link

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(strangerEnv) != "" {
		stranger(os.Args[len(os.Args)-1])
		return
	}
	goleak.VerifyTestMain(m)
}

// process is a vrrp process that remembers what it was told.
type process struct {
	server *Server
	path   string

	mu          sync.Mutex
	words       []Word
	state       State
	transitions []Transition
	notices     []Notice
	asked       []string
}

func newProcess(t *testing.T) *process {
	t.Helper()
	dir, err := os.MkdirTemp("", "link") // short, and every user may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &process{path: filepath.Join(dir, "run", "link.sock")}
}

// start serves until the test ends or the function that is returned is called.
func (p *process) start(t *testing.T) (stop func()) {
	t.Helper()
	s, err := Listen(p.path)
	if err != nil {
		t.Fatal(err)
	}
	p.server = s
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, p.backend()) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

func (p *process) backend() Backend {
	asked := func(what string) { p.mu.Lock(); defer p.mu.Unlock(); p.asked = append(p.asked, what) }
	return Backend{
		Hear: func(w Word) { p.mu.Lock(); defer p.mu.Unlock(); p.words = append(p.words, w) },
		State: func() *State {
			p.mu.Lock()
			defer p.mu.Unlock()
			s := p.state
			s.Seq = uint64(len(p.transitions) + len(p.notices))
			return &s
		},
		Since: func(seq uint64) (ts []Transition, ns []Notice) {
			p.mu.Lock()
			defer p.mu.Unlock()
			ts = slices.DeleteFunc(slices.Clone(p.transitions), func(t Transition) bool { return t.Seq <= seq })
			ns = slices.DeleteFunc(slices.Clone(p.notices), func(n Notice) bool { return n.Seq <= seq })
			return ts, ns
		},
		Prepare:  func(c *Config) error { asked("prepare " + c.Node); return nil },
		Apply:    func(c *Config) error { asked("apply " + c.Node); return errors.New("interface eth7 is missing") },
		Reexec:   func(c *Config) (bool, error) { asked("reexec " + c.Node); return true, nil },
		Handover: func(_ context.Context, h Handover) error { asked("handover " + h.Router + " by " + h.By); return nil },
	}
}

// add gives out transitions and notices with the next numbers, and tells those who follow.
func (p *process) add(transitions, notices int) {
	p.mu.Lock()
	next := uint64(len(p.transitions) + len(p.notices) + 1)
	for range transitions {
		p.transitions = append(p.transitions, Transition{Seq: next, To: "master"})
		next++
	}
	for range notices {
		p.notices = append(p.notices, Notice{Seq: next, Words: "restored"})
		next++
	}
	p.mu.Unlock()
	p.server.Changed()
}

func (p *process) heard() []Word { p.mu.Lock(); defer p.mu.Unlock(); return slices.Clone(p.words) }

func (p *process) requests() []string { p.mu.Lock(); defer p.mu.Unlock(); return slices.Clone(p.asked) }

// eventually waits until done, ten seconds at most.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func dial(t *testing.T, path string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
