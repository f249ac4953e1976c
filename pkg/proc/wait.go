package proc

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wait waits for the process, or for ctx and then ends the process; it reaps it.
func (p *process) wait(ctx context.Context, grace time.Duration) Result {
	stop := context.AfterFunc(ctx, func() { _ = p.pidfd.SetReadDeadline(time.Unix(1, 0)) })
	ended := p.ended()
	stop()
	left := &remains{reaped: make(chan struct{}), group: p.p.Pid}
	if ended {
		r := p.reap(left)
		r.left = left
		return r
	}
	r := Result{End: endOf(ctx), left: left}
	if grace > 0 {
		p.signalGroup(unix.SIGTERM)
		_ = p.pidfd.SetReadDeadline(time.Now().Add(grace))
		if p.ended() {
			p.reap(left)
			return r
		}
	}
	p.kill(left)
	return r
}

// kill ends the whole group and reaps its leader, in the background where that takes long.
func (p *process) kill(left *remains) {
	p.signalGroup(unix.SIGKILL)
	_ = p.pidfd.SetReadDeadline(time.Now().Add(reapBound))
	if p.ended() {
		p.reap(left)
		return
	}
	_ = p.pidfd.SetReadDeadline(time.Time{})
	go func() {
		p.ended()
		p.reap(left)
	}()
}

// ended parks the goroutine, not a thread, until the process has ended, without reaping it; false is that the read
// deadline of the pidfd came first.
func (p *process) ended() bool {
	c, err := p.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	done := false
	err = c.Read(func(fd uintptr) bool {
		var info unix.Siginfo
		e := unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		done = e == nil && info.Signo != 0 || e == unix.ECHILD
		return done
	})
	return err == nil && done
}

// reap kills what is left of the group of a process that has ended, and takes its exit status. Only afterwards may the
// kernel give its number to another process.
func (p *process) reap(left *remains) Result {
	defer close(left.reaped)
	p.signalGroup(unix.SIGKILL)
	state, err := p.p.Wait()
	_ = p.pidfd.Close()
	if err != nil {
		return Result{Err: err}
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return Result{End: Signalled, Signal: ws.Signal()}
	}
	return Result{End: Exited, Code: state.ExitCode()}
}

func (p *process) signalGroup(s syscall.Signal) { _ = unix.Kill(-p.p.Pid, s) }
