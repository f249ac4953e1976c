package audit

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

const (
	batch      = 512                    // lines that one write takes at most
	retryFirst = 100 * time.Millisecond // after an error; doubled up to
	retryMost  = 5 * time.Second
	upkeepTime = time.Hour // files are looked at for their age this often
)

// writer is the goroutine that owns the file.
type writer struct {
	log    *Log
	inbox  *inbox
	report func(error)
	upkeep chan Config

	config  Config
	file    *file         // nil if not open
	pending []byte        // whole lines to be written
	lost    int           // lines given up that the record does not tell of yet
	cause   error         // why lines cannot be written now
	why     error         // what last kept lines from being written, until the record tells of it
	waiting bool          // an error is being waited out,
	wait    time.Duration // for so long
	rotate  time.Time     // not before this: the last attempt failed
}

func (w *writer) run(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	tend := time.NewTicker(upkeepTime)
	defer tend.Stop()
	w.tend()
	for {
		select {
		case <-w.inbox.wake:
		case <-retry.C:
			w.waiting = false
		case <-tend.C:
			w.tend()
		case <-ctx.Done():
			return
		}
		if closing := w.turn(retry); closing {
			w.end()
			return
		}
	}
}

// turn writes all that waits, unless an error is being waited out, and tells whether the log is closing.
func (w *writer) turn(retry *time.Timer) (closing bool) {
	for {
		m := w.fetch()
		if w.waiting && !m.again && !m.closing {
			return false // the timer will come
		}
		if err := w.flush(); err != nil {
			w.fail(err)
			retry.Reset(w.wait)
			return m.closing
		}
		w.succeed()
		if !m.more {
			return m.closing
		}
	}
}

// fetch takes what is new from the inbox.
func (w *writer) fetch() mail {
	room := batch
	held := bytes.Count(w.pending, newline)
	if held > 0 {
		room = 0
	}
	m := w.inbox.take(room, held)
	w.lost += m.lost
	for _, e := range m.entries {
		w.pending = append(w.pending, encode(e)...)
	}
	if m.again || m.config.File != w.config.File {
		w.closeFile()
	}
	if m.config != w.config {
		w.config, w.rotate = m.config, time.Time{}
		w.tend()
	}
	return m
}

// flush writes the lines that are pending, after one that tells how many were lost.
func (w *writer) flush() error {
	if err := w.ready(0); err != nil {
		return err
	}
	if w.lost > 0 {
		if err := w.tellLost(); err != nil {
			return err
		}
	}
	for len(w.pending) > 0 {
		chunk := w.pending[:w.room()]
		if err := w.ready(len(chunk)); err != nil {
			return err
		}
		chunk = w.pending[:w.room()]
		n, err := w.file.append(chunk)
		whole := bytes.LastIndexByte(chunk[:n], '\n') + 1
		w.pending = w.pending[whole:]
		if err != nil {
			return err
		}
	}
	w.pending = nil
	return nil
}

func (w *writer) tellLost() error {
	e := Entry{Time: time.Now(), Event: EventLost, Actor: "lvsd", Lost: w.lost, Reason: "more lines waited than the queue holds"}
	if w.why != nil {
		e.Error = w.why.Error()
	}
	line := encode(e)
	if err := w.ready(len(line)); err != nil {
		return err
	}
	if _, err := w.file.append(line); err != nil {
		return err
	}
	w.lost, w.why = 0, nil
	return nil
}

// ready makes sure that the file is open, has the configured name and has room for n bytes.
func (w *writer) ready(n int) error {
	if w.file != nil && w.file.moved() {
		w.closeFile()
	}
	if w.file == nil {
		f, err := openFile(w.config.File)
		if err != nil {
			return err
		}
		w.file = f
	}
	now := time.Now()
	if !w.due(n, now) || now.Before(w.rotate) {
		return nil
	}
	w.closeFile()
	err := putAside(w.config.File, now)
	w.log.rotated(err)
	if err != nil { // the file grows on: a line too many is better than one too few
		w.rotate = now.Add(time.Minute)
	} else {
		w.rotate = time.Time{}
		w.tend()
	}
	f, err := openFile(w.config.File)
	if err != nil {
		return err
	}
	w.file = f
	return nil
}

// due tells whether the file should be put aside before n more bytes are written.
func (w *writer) due(n int, now time.Time) bool {
	c, f := w.config, w.file
	if c.MaxSize == 0 || f.size == 0 {
		return false
	}
	return f.size+int64(n) > c.MaxSize || c.MaxAge > 0 && !f.begun.IsZero() && now.Sub(f.begun) > c.MaxAge
}

// room gives how many of the pending bytes go into the file at once: whole lines, at least one.
func (w *writer) room() int {
	if w.config.MaxSize == 0 {
		return len(w.pending)
	}
	free := w.config.MaxSize - w.file.size
	if free >= int64(len(w.pending)) {
		return len(w.pending)
	}
	if free > 0 {
		if end := bytes.LastIndexByte(w.pending[:free], '\n'); end >= 0 {
			return end + 1
		}
	}
	return bytes.IndexByte(w.pending, '\n') + 1
}

// fail takes note of an error and doubles the wait.
func (w *writer) fail(err error) {
	w.closeFile()
	w.inbox.holds(bytes.Count(w.pending, newline))
	w.waiting, w.wait = true, min(max(2*w.wait, retryFirst), retryMost)
	w.log.failing(w.config.File, err, time.Now())
	if w.cause == nil && w.report != nil {
		w.report(fmt.Errorf("write audit file: %w", err))
	}
	w.cause, w.why = err, err
}

func (w *writer) succeed() {
	w.inbox.holds(0)
	w.waiting, w.wait = false, 0
	w.log.wrote(w.config.File, w.file.size)
	if w.cause != nil && w.report != nil {
		w.report(nil)
	}
	w.cause = nil
}

func (w *writer) end() {
	if n, _ := w.inbox.count(); w.cause != nil && n+w.lost > 0 {
		w.log.gaveUp(n+w.lost, w.cause)
	}
	w.closeFile()
}

// tend asks for upkeep of the files put aside; the newest request wins.
func (w *writer) tend() {
	if w.config.File == "" || w.config.MaxSize == 0 {
		return
	}
	select {
	case <-w.upkeep:
	default:
	}
	w.upkeep <- w.config
}

func (w *writer) closeFile() {
	if w.file != nil {
		w.file.close()
		w.file = nil
	}
}

var newline = []byte{'\n'}
