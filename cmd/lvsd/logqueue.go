package main

import (
	"io"
	"sync/atomic"
	"time"
)

const (
	logLines    = 4096        // that wait for a slow reader of the log
	logLastWord = time.Second // for them to be read at the end
)

// logQueue passes lines to a writer that may be slow or stand still, such as a journal that is stopped, without ever
// keeping the one who logs waiting. Lines that find no room are lost, and tell is called with their number once the
// writer takes lines again; it returns the line that says so.
type logQueue struct {
	to    io.Writer
	tell  func(lost uint64) []byte
	lines chan []byte
	lost  atomic.Uint64
	quit  chan struct{}
	ended chan struct{}
}

// newLogQueue begins to pass lines. Close it.
func newLogQueue(to io.Writer, tell func(lost uint64) []byte) *logQueue {
	q := &logQueue{to: to, tell: tell, lines: make(chan []byte, logLines), quit: make(chan struct{}), ended: make(chan struct{})}
	go q.run()
	return q
}

// Write takes one line. It may be called by any goroutine and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.lost.Add(1)
	}
	return len(line), nil
}

// Close passes what waits, as far as that goes within a second. Lines written later are lost.
func (q *logQueue) Close() {
	close(q.quit)
	select {
	case <-q.ended:
	case <-time.After(logLastWord):
	}
}

func (q *logQueue) run() {
	defer close(q.ended)
	for {
		select {
		case line := <-q.lines:
			q.pass(line)
		case <-q.quit:
			for {
				select {
				case line := <-q.lines:
					q.pass(line)
				default:
					return
				}
			}
		}
	}
}

// pass writes a line, and then how many were lost while it waited. A log that cannot be written has nobody to be told to.
func (q *logQueue) pass(line []byte) {
	_, _ = q.to.Write(line)
	if lost := q.lost.Swap(0); lost > 0 {
		_, _ = q.to.Write(q.tell(lost))
	}
}
