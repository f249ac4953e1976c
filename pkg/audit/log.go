package audit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// Config says where the record is kept and for how long.
type Config struct {
	File string // an absolute path; its directory is not created

	// MaxSize is the number of bytes at which the file is put aside and a new one begun. 0 leaves rotation to others
	// (logrotate): then MaxFiles, MaxAge and Compress mean nothing.
	MaxSize int64

	MaxFiles int           // files put aside that are kept; 0 for any number
	MaxAge   time.Duration // a file is put aside when its first line is older, and removed when its last line is; 0 for never
	Compress bool          // files put aside are compressed with gzip
}

func (c Config) validate() error {
	switch {
	case !filepath.IsAbs(c.File):
		return fmt.Errorf("audit file %q: not an absolute path", c.File)
	case c.MaxSize < 0, c.MaxFiles < 0, c.MaxAge < 0:
		return fmt.Errorf("audit file %s: a bound below zero", c.File)
	}
	return nil
}

// Status tells how the record fares.
type Status struct {
	File    string
	Size    int64     // bytes in the file, without those put aside
	Error   string    // why lines cannot be written now; empty if they can
	Since   time.Time // of Error
	Upkeep  string    // why the last rotation, compression or removal did not work; empty if it did
	Waiting int       // lines not written yet
	Lost    int       // lines given up since Open, whether the record tells of them yet or not
}

// Log writes the record. All methods may be called by any goroutine at any time, and none but Close waits for a disk.
type Log struct {
	inbox  *inbox
	cancel context.CancelFunc
	ended  chan struct{} // closed when the writer and the upkeep are gone

	mu     sync.Mutex
	status Status // but Upkeep, Waiting and Lost
	rotate error  // of the last rotation
	upkeep error  // of the last upkeep
	failed error  // lines not written by Close
}

// Open begins to keep the record. Only a configuration that makes no sense is an error: a file that cannot be opened or
// written is retried for ever, see Status.
//
// report, which may be nil, is told when lines can no longer be written and, with nil, when they can again. It is called
// by the goroutine that writes and must not block.
func Open(c Config, report func(error)) (*Log, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Log{inbox: newInbox(c), cancel: cancel, ended: make(chan struct{}), status: Status{File: c.File}}
	upkeep := make(chan Config, 1)
	w := &writer{log: l, inbox: l.inbox, report: report, upkeep: upkeep}
	go func() {
		defer close(upkeep)
		defer cancel() // a compression under way
		w.run(ctx)
	}()
	go func() {
		defer close(l.ended)
		for c := range upkeep {
			l.keptUp(keepUp(ctx, c, time.Now()))
		}
	}()
	return l, nil
}

// Record hands over a line. An entry without a time gets the present one; strings that are too long are cut. When more
// lines wait than the queue holds, or after Close, the entry is lost and counted.
func (l *Log) Record(e Entry) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	l.inbox.put(cut(e, maxString))
}

// Set takes another configuration, from the next line on.
func (l *Log) Set(c Config) error {
	if err := c.validate(); err != nil {
		return err
	}
	l.inbox.set(c)
	return nil
}

// Reopen makes the next line go to whatever file has the configured name then, and ends a wait after an error. It is
// for SIGUSR1. A file that was merely renamed or removed is noticed without it.
func (l *Log) Reopen() { l.inbox.reopen() }

// Status tells how the record fares now.
func (l *Log) Status() Status {
	l.mu.Lock()
	s := l.status
	if err := errors.Join(l.rotate, l.upkeep); err != nil {
		s.Upkeep = err.Error()
	}
	l.mu.Unlock()
	s.Waiting, s.Lost = l.inbox.count()
	return s
}

// Close writes what waits and ends. It tries once: lines that cannot be written now, or until ctx ends, are given up
// and are the error.
func (l *Log) Close(ctx context.Context) error {
	l.inbox.close()
	select {
	case <-l.ended:
	case <-ctx.Done():
		l.cancel()
		return fmt.Errorf("close audit file: %w", ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *Log) wrote(file string, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.File, l.status.Size, l.status.Error, l.status.Since = file, size, "", time.Time{}
}

func (l *Log) failing(file string, err error, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.Error == "" {
		l.status.Since = now
	}
	l.status.File, l.status.Error = file, err.Error()
}

// keptUp takes the outcome of upkeep; one that Close cut short says nothing.
func (l *Log) keptUp(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.upkeep = err
}

func (l *Log) rotated(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rotate = err
}

func (l *Log) gaveUp(lines int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = fmt.Errorf("close audit file: %d lines not written: %w", lines, err)
}
