// Package reconcile keeps something outside as it is wanted. A Loop applies one value again and again; Workers keep one
// goroutine for each key of a map. Both take everything that is wanted with Set, and know nothing of what it means.
package reconcile

import (
	"sync"
	"sync/atomic"
	"time"
)

// Loop applies the newest of the values that it was given.
type Loop[T any] struct {
	apply         func(value T, fresh bool) error
	retry, resync time.Duration
	started       time.Time
	finished      atomic.Int64 // of the last turn, since started

	mu     sync.Mutex
	value  T
	fresh  bool // value waits to be applied
	closed bool
	wake   chan struct{}
}

// NewLoop makes a Loop. apply is called by Run, one call at a time: with fresh true for a value that was set, or whose
// last such call gave an error that is retry ago; with fresh false every resync, from the first value on, whether or not
// values are being set or retried. The error of a call with fresh false is left to the next one. Both durations must be
// positive.
func NewLoop[T any](apply func(value T, fresh bool) error, retry, resync time.Duration) *Loop[T] {
	return &Loop[T]{apply: apply, retry: retry, resync: resync, started: time.Now(), wake: make(chan struct{}, 1)}
}

// Set says what is wanted from now on. It never blocks; of values that are set while apply is busy the last one counts.
// After Close it does nothing. Any goroutine may call it.
func (l *Loop[T]) Set(value T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.value, l.fresh = value, true
	l.nudge()
}

// Close makes Run apply the last value, if it has not been, and end. It does not wait. Any goroutine may call it, more
// than once.
func (l *Loop[T]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.nudge()
}

// Age is how long ago the last turn ended, or NewLoop was called. While nothing hangs it stays below resync and the time
// that a turn takes, once a value has been set. Any goroutine may call it.
func (l *Loop[T]) Age() time.Duration {
	return time.Since(l.started) - time.Duration(l.finished.Load())
}

func (l *Loop[T]) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Loop[T]) take() (value T, fresh, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh, l.fresh = l.fresh, false
	return l.value, fresh, l.closed
}

// Run works until Close. It is called once.
func (l *Loop[T]) Run() {
	retry, resync := stopped(), stopped()
	defer retry.Stop()
	defer resync.Stop()
	begun, again := false, false
	for {
		value, fresh, closed := l.take()
		if fresh || again {
			retry.Stop()
			if l.turn(value, true) != nil {
				retry.Reset(l.retry)
			}
			if !begun {
				resync.Reset(l.resync)
			}
			begun, again = true, false
		}
		if closed {
			return
		}
		select {
		case <-l.wake:
		case <-retry.C:
			again = true
		case <-resync.C:
			_ = l.turn(value, false) // the next resync is its retry
			resync.Reset(l.resync)
		}
	}
}

func (l *Loop[T]) turn(value T, fresh bool) error {
	err := l.apply(value, fresh)
	l.finished.Store(int64(time.Since(l.started)))
	return err
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
