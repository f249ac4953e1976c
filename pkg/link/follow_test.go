package link

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// follower is `lvsd run` as far as the link sees it.
type follower struct {
	words chan Word

	mu     sync.Mutex
	seqs   []uint64
	states int
	turns  []bool
}

// follow begins to follow and gives what ends it; the test's end does so too.
func follow(t *testing.T, path string, since uint64) (*follower, func()) {
	t.Helper()
	f := &follower{words: make(chan Word)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		Follow(ctx, Following{
			Path: path, Since: since, Words: f.words, Heard: f.hear,
			Turned: func(up bool, err error) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.turns = append(f.turns, up)
				if up != (err == nil) {
					t.Errorf("turned %v, %v", up, err)
				}
			},
		})
	})
	end := sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(end)
	return f, end
}

func (f *follower) hear(m Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.State != nil {
		f.states++
	}
	for len(m.Transitions)+len(m.Notices) > 0 { // in the order of their numbers
		if len(m.Notices) == 0 || len(m.Transitions) > 0 && m.Transitions[0].Seq < m.Notices[0].Seq {
			f.seqs, m.Transitions = append(f.seqs, m.Transitions[0].Seq), m.Transitions[1:]
		} else {
			f.seqs, m.Notices = append(f.seqs, m.Notices[0].Seq), m.Notices[1:]
		}
	}
}

func (f *follower) numbers() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]uint64(nil), f.seqs...)
}

func (f *follower) turned() []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]bool(nil), f.turns...)
}

func upTo(n uint64) (all []uint64) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

// Everything is heard once and in order, through restarts of either side.
func TestFollow(t *testing.T) {
	p := newProcess(t)
	f, end := follow(t, p.path, 0)
	eventually(t, "told that nobody answers", func() bool { return len(f.turned()) == 1 })
	f.words <- Word{Ready: true} // while there is nobody to hear it

	stop := p.start(t)
	eventually(t, "the word said before", func() bool { return len(p.heard()) == 1 })
	p.add(300, 300)
	p.add(1, 0)
	eventually(t, "all of it", func() bool { return len(f.numbers()) == 601 })
	f.words <- Word{Reasons: map[string][]Reason{"VI_1": {{Words: "check app: exit 1", Weight: -20}}}}
	eventually(t, "the new word", func() bool { w := p.heard(); return len(w[len(w)-1].Reasons) == 1 })

	stop()
	eventually(t, "told that it went", func() bool { return len(f.turned()) == 3 })
	p.start(t)
	eventually(t, "told that it is back", func() bool { return len(f.turned()) == 4 })
	p.add(0, 2)
	eventually(t, "what came after", func() bool { return len(f.numbers()) == 603 })
	if w := p.heard(); len(w[len(w)-1].Reasons) != 1 {
		t.Errorf("the word after coming back: %+v", w[len(w)-1])
	}
	if diff := cmp.Diff(upTo(603), f.numbers()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bool{false, true, false, true}, f.turned()); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
	end()

	late, _ := follow(t, p.path, 601)
	eventually(t, "the last two", func() bool { return len(late.numbers()) == 2 })
	anew, _ := follow(t, p.path, 9000) // of a vrrp process that lost its memory since
	eventually(t, "all of it again", func() bool { return len(anew.numbers()) == 603 })
}

// Silence of `lvsd run` means something: its word is said again and again.
func TestWordIsRepeated(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	f, _ := follow(t, p.path, 0)
	f.words <- Word{Ready: true}
	began := time.Now()
	eventually(t, "three words", func() bool { return len(p.heard()) >= 3 })
	if took := time.Since(began); took < WordEvery {
		t.Errorf("three words within %v, want one every %v", took, WordEvery)
	}
	eventually(t, "states without a change", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.states >= 3 })
}

// One who follows and does not read is cut off; the others hear everything in time.
func TestSlowReaderIsCutOff(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	slow := dial(t, p.path)
	if err := slow.wire.send(Message{Follow: new(uint64)}); err != nil {
		t.Fatal(err)
	}
	f, _ := follow(t, p.path, 0)
	total := 0
	eventually(t, "one caller left", func() bool {
		p.add(200, 0)
		total += 200
		p.server.mu.Lock()
		defer p.server.mu.Unlock()
		return len(p.server.callers) == 1 && total > 2000
	})
	eventually(t, "everything at the other", func() bool { return len(f.numbers()) == total })
}
