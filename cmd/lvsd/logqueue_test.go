package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a reader of the log that takes nothing until it is let go.
type stuck struct {
	letGo chan struct{}
	mu    sync.Mutex
	lines []string
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.letGo
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, string(p))
	return len(p), nil
}

// Who logs never waits; what found no room is counted, and told behind what did.
func TestLogNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuck{letGo: make(chan struct{})}
		q := newLogQueue(to, func(lost uint64) []byte { return fmt.Appendf(nil, "%d lost", lost) })
		began, line := time.Now(), make([]byte, 0, 16)
		const more = 100
		for i := range logLines + more {
			line = fmt.Appendf(line[:0], "line %d", i)
			if n, err := q.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
			if i == 0 {
				synctest.Wait() // it is being written, and takes no room
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("logging took %v", took)
		}
		close(to.letGo)
		q.Close()
		to.mu.Lock()
		defer to.mu.Unlock()
		if len(to.lines) != logLines+2 || to.lines[0] != "line 0" || to.lines[logLines+1] != fmt.Sprintf("line %d", logLines) {
			t.Errorf("%d lines, the first %q, the last %q", len(to.lines), to.lines[0], to.lines[len(to.lines)-1])
		}
		if all := strings.Join(to.lines, ";"); !strings.Contains(all, fmt.Sprintf(";%d lost;", more-1)) {
			t.Errorf("the loss of %d is not told: %q", more-1, to.lines[1])
		}
	})
}

func TestLogEndsThoughNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuck{letGo: make(chan struct{})}
		q := newLogQueue(to, nil)
		_, _ = q.Write([]byte("x"))
		began := time.Now()
		q.Close()
		if took := time.Since(began); took != logLastWord {
			t.Errorf("the end took %v, want %v", took, logLastWord)
		}
		close(to.letGo)
	})
}
