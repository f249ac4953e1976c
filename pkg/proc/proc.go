// Package proc runs the programs of others: check scripts and hooks. Each gets its own process group, which is killed
// whole at the deadline and whenever the program itself has ended, no shell, nothing on its standard input, and no
// capability of this process. What it prints is kept up to a bound and read to its end.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Command is a program to run. It is told everything here: the directory is "/", standard input is empty, and of this
// process's environment nothing is passed on (so neither NOTIFY_SOCKET, WATCHDOG_* nor a secret).
type Command struct {
	Argv   []string      // Argv[0] is the program, by absolute path; PATH is not searched
	Env    []string      // NAME=value, added to PATH and, with a User, HOME, USER and LOGNAME; later ones win
	User   *User         // who runs it; nil is the user of this process. Another one needs CAP_SETUID and CAP_SETGID
	Grace  time.Duration // at the deadline: SIGTERM first, and SIGKILL this much later; 0 is SIGKILL at once
	Output int           // bytes of output to keep; 0 is OutputSize
}

// OutputSize is how much output of a program is kept unless it is said otherwise.
const OutputSize = 4 << 10

// End is how a run ended.
type End uint8

// The ways a run can end. Only Exited with Code 0 is success.
const (
	NotRun    End = iota // it could not be started: Err says why
	Exited               // by itself, with Code
	Signalled            // by Signal, which this package did not send
	TimedOut             // killed at the deadline
	Cancelled            // killed because ctx was cancelled before its deadline
)

// Result is what came of a run.
type Result struct {
	End       End
	Code      int            // of Exited
	Signal    syscall.Signal // of Signalled
	Err       error          // of NotRun
	Output    []byte         // what it printed to standard output and standard error, as it came, cut to the bound
	Truncated bool           // it printed more than that

	left *remains // what Gone looks at; nil if nothing was started
}

// String tells the end in one line, without the output: "exit 3", "killed by signal 11 (segmentation fault)".
func (r Result) String() string {
	switch r.End {
	case Exited:
		return fmt.Sprintf("exit %d", r.Code)
	case Signalled:
		return fmt.Sprintf("killed by signal %d (%v)", int(r.Signal), r.Signal)
	case TimedOut:
		return "killed at the deadline"
	case Cancelled:
		return "cut short"
	default:
		return fmt.Sprintf("could not run: %v", r.Err)
	}
}

// Run runs c until it ends or ctx is done, and returns at most Grace and 150 ms after that, even where the kernel
// cannot kill the program yet; Result.Gone waits for that. Processes that c left behind in its group are killed when it ends; they do not
// hold Run up, not even when they hold its output open. Any goroutine may call it.
func Run(ctx context.Context, c Command) Result {
	if ctx.Err() != nil {
		return Result{End: endOf(ctx)}
	}
	out, err := newOutput(c.Output)
	if err != nil {
		return Result{Err: err}
	}
	started := make(chan startResult, 1)
	go start(c, out.writer, started)
	var p *process
	select {
	case s := <-started:
		out.opened()
		if s.err != nil {
			out.close()
			return Result{Err: s.err}
		}
		p = s.process
	case <-ctx.Done(): // exec itself hangs, as on a dead file server
		left := &remains{reaped: make(chan struct{})}
		go func() {
			if s := <-started; s.err == nil {
				left.group = s.process.p.Pid
				s.process.kill(left)
			} else {
				close(left.reaped)
			}
			out.opened()
			out.close()
		}()
		return Result{End: endOf(ctx), left: left}
	}
	r := p.wait(ctx, c.Grace)
	r.Output, r.Truncated = out.finish()
	return r
}

// endOf says why ctx is done.
func endOf(ctx context.Context) End {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return TimedOut
	}
	return Cancelled
}

// process is a program that runs, the leader of its group. Until it is reaped its pid, which is the group's, belongs to
// it even when it is dead; that is when the group may be signalled.
type process struct {
	p     *os.Process
	pidfd *os.File // readable when the process has ended
}

// reapBound is how long a killed program is waited for before its reaping is left to the background: one that sleeps
// in the kernel for a device dies only when that wakes it.
const reapBound = 100 * time.Millisecond
