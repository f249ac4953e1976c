package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// try is one try under way: when it began, how far it came, and what it found so far.
type try struct {
	began    time.Time
	limit    time.Duration // time that the caller gave; 0 is without end
	reached  []string      // steps done, in the words of the reason
	received int           // bytes of the reply
	result   Result
}

func begin(ctx context.Context) *try {
	y := &try{began: time.Now()}
	if end, ok := ctx.Deadline(); ok {
		y.limit = end.Sub(y.began)
	}
	return y
}

// elapsed is the time since the try began; never 0, because 0 means that a phase was not reached.
func (y *try) elapsed() time.Duration { return max(time.Since(y.began), 1) }

// got notes n more bytes of the reply, and keeps the first ones.
func (y *try) got(b []byte) {
	if y.received == 0 && len(b) > 0 {
		y.result.Phases.FirstByte = y.elapsed()
	}
	y.received += len(b)
	if room := HeadSize - len(y.result.Head); room > 0 && len(b) > 0 {
		y.result.Head = append(y.result.Head, b[:min(room, len(b))]...)
	}
}

// end gives the result.
func (y *try) end(o Outcome, reason string) Result {
	y.result.Outcome = o
	y.result.Reason = oneLine(reason)
	y.result.Phases.Done = y.elapsed()
	return y.result
}

func (y *try) good(reason string) Result { return y.end(Good, reason) }

func (y *try) bad(format string, args ...any) Result {
	return y.end(BadAnswer, fmt.Sprintf(format, args...))
}

// failed gives the result of a try that err ended after it was connected.
func (y *try) failed(ctx context.Context, err error) Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		return y.end(NotAsked, "cut short")
	}
	if timedOut(err) {
		return y.end(NoAnswer, y.late())
	}
	if words, ok := tlsWords(err); ok {
		return y.end(BadAnswer, words)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return y.end(BadAnswer, "connection closed by the server ("+y.progress()+")")
	}
	o, words := outcomeOf(err)
	return y.end(o, words+" ("+y.progress()+")")
}

// late says that the time is over, and how far the try came: "no answer within 2s (connected, request sent)".
func (y *try) late() string {
	if y.limit <= 0 {
		return "no answer (" + y.progress() + ")"
	}
	return fmt.Sprintf("no answer within %v (%s)", short(y.limit), y.progress())
}

func (y *try) progress() string {
	steps := y.reached
	if y.received > 0 {
		steps = append(steps[:len(steps):len(steps)], fmt.Sprintf("%d bytes received", y.received))
	}
	if len(steps) == 0 {
		return "connecting"
	}
	return strings.Join(steps, ", ")
}

// short rounds the time that was left at the start up to what the configuration will have said: to a hundredth of its
// power of ten, so that 1.9996s is 2s.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for unit <= d/1000 {
		unit *= 10
	}
	return (d + unit - 1) / unit * unit
}
