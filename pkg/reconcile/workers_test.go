package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/pkg/reconcile"
)

// spec is deeply equal to another one with the same words, though not comparable.
type spec struct{ words []string }

func is(words ...string) spec { return spec{words} }

// shift is what the workers of a test did; each takes a second to stop.
type shift struct {
	mu    sync.Mutex
	did   []string
	alive map[string]int
}

func (s *shift) note(word, key string, v spec) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, fmt.Sprint(word, " ", key, v.words))
	if word == "start" {
		s.alive[key]++
	} else {
		s.alive[key]--
	}
	if s.alive[key] > 1 {
		s.did = append(s.did, "TWO OF "+key)
	}
}

func (s *shift) run(ctx context.Context, key string, v spec) {
	s.note("start", key, v)
	<-ctx.Done()
	time.Sleep(time.Second)
	s.note("stop", key, v)
}

// happened gives what was done since the last call, sorted.
func (s *shift) happened() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.did)
	did := fmt.Sprint(s.did)
	s.did = nil
	return did
}

func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shift{alive: map[string]int{}}
		w := reconcile.NewWorkers(s.run)
		expect := func(when, want string) {
			t.Helper()
			if got := s.happened(); got != want {
				t.Errorf("%s: got %s, want %s", when, got, want)
			}
		}
		type specs = map[string]spec
		w.Set(specs{"a": is("1"), "b": is("1")})
		expect("started", "[start a[1] start b[1]]")
		w.Set(specs{"a": is("1"), "b": is("1")})
		expect("equal", "[]")
		w.Set(specs{"a": is("2"), "b": is("1"), "c": is("1")})
		expect("a changed, still stopping", "[start c[1]]")
		time.Sleep(time.Second)
		expect("a changed", "[start a[2] stop a[1]]")
		w.Set(specs{"a": is("2")})
		w.Set(specs{"a": is("2"), "b": is("1")})
		expect("b back, still stopping", "[]")
		time.Sleep(time.Second)
		expect("b back", "[start b[1] stop b[1] stop c[1]]")
		for i := range 10 {
			w.Set(specs{"a": is("3", fmt.Sprint(i))})
		}
		time.Sleep(3 * time.Second)
		expect("only the last of many", "[start a[3 9] stop a[2] stop b[1]]")
		began := time.Now()
		w.Close()
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("Close waited %s", waited)
		}
		expect("closed", "[stop a[3 9]]")
	})
}

func TestWorkersDoNotRepeatARunThatReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		w := reconcile.NewWorkers(func(context.Context, string, int) { runs++ })
		for range 3 {
			w.Set(map[string]int{"a": 1})
			synctest.Wait()
		}
		if runs != 1 {
			t.Errorf("%d runs of one spec", runs)
		}
		w.Set(map[string]int{"a": 2})
		w.Close()
		if runs > 2 {
			t.Errorf("%d runs of two specs", runs)
		}
	})
}
