package reconcile

import (
	"context"
	"reflect"
	"sync"
)

// Workers keep one goroutine running for each key that is wanted.
type Workers[K comparable, S any] struct {
	run func(context.Context, K, S)

	mu      sync.Mutex
	workers map[K]*worker[S]
	all     sync.WaitGroup
}

type worker[S any] struct {
	spec   S
	cancel context.CancelFunc
	wanted bool
	done   chan struct{}
}

// NewWorkers makes Workers that have nothing to do. run is called in a goroutine of its own with what was set for its
// key, and is to return when its context ends; if it returns before, it is not called again until it is set otherwise.
func NewWorkers[K comparable, S any](run func(context.Context, K, S)) *Workers[K, S] {
	return &Workers[K, S]{run: run, workers: map[K]*worker[S]{}}
}

// Set says what is wanted: it starts the keys that are new, stops those that are gone, and leaves those alone whose spec
// is deeply equal. A key whose spec changed is stopped and started: never are two runs of one key under way. Set does
// not wait for runs to end. Any goroutine may call it; specs must not be changed afterwards.
func (w *Workers[K, S]) Set(specs map[K]S) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, old := range w.workers {
		if spec, wanted := specs[key]; !wanted || !reflect.DeepEqual(spec, old.spec) {
			old.wanted = false
			old.cancel()
		}
	}
	for key, spec := range specs {
		if old := w.workers[key]; old == nil || !old.wanted {
			w.start(key, spec, old)
		}
	}
}

// Close stops all and waits until every run has returned. Set may be called again afterwards.
func (w *Workers[K, S]) Close() {
	w.Set(nil)
	w.all.Wait()
}

// start makes key's goroutine, which waits for that of before, if there is one. The caller holds mu.
func (w *Workers[K, S]) start(key K, spec S, before *worker[S]) {
	ctx, cancel := context.WithCancel(context.Background())
	now := &worker[S]{spec: spec, cancel: cancel, wanted: true, done: make(chan struct{})}
	w.workers[key] = now
	w.all.Go(func() {
		defer close(now.done)
		defer cancel()
		if before != nil {
			<-before.done
		}
		if ctx.Err() == nil {
			w.run(ctx, key, spec)
		}
		<-ctx.Done()
		w.forget(key, now)
	})
}

// forget drops a worker that has ended, unless its successor has taken its place.
func (w *Workers[K, S]) forget(key K, ended *worker[S]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.workers[key] == ended {
		delete(w.workers, key)
	}
}
