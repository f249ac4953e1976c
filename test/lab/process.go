package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is a command that will run on the host: in its network namespace, with its view of /sys, in a process group of
// its own.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", h.ns.name, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Try runs a command on the host and returns what it printed to both outputs, without the last newline.
func (h *Host) Try(name string, args ...string) (string, error) {
	out, err := h.Command(name, args...).CombinedOutput()
	text := strings.TrimSuffix(string(out), "\n")
	if err != nil {
		return text, fmt.Errorf("run %s %s on %s: %w: %s", name, strings.Join(args, " "), h.Name, err, text)
	}
	return text, nil
}

// Run is Try for a command that must succeed.
func (h *Host) Run(name string, args ...string) string {
	h.net.t.Helper()
	out, err := h.Try(name, args...)
	if err != nil {
		h.net.t.Fatalf("%v", err)
	}
	return out
}

// Process is a process that was started on a host. It is killed with its process group when the test ends.
type Process struct {
	t      T
	name   string
	cmd    *exec.Cmd
	out    buffer
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

// Start starts a command on the host.
func (h *Host) Start(name string, args ...string) *Process {
	h.net.t.Helper()
	return h.StartCommand(h.Command(name, args...))
}

// StartCommand starts what Command made, after the caller changed its environment or directory. Both its outputs are
// kept; if the caller has set one, it gets a copy.
func (h *Host) StartCommand(cmd *exec.Cmd) *Process {
	h.net.t.Helper()
	p := &Process{t: h.net.t, name: strings.Join(cmd.Args[4:], " ") + " on " + h.Name, cmd: cmd, exited: make(chan struct{})}
	cmd.WaitDelay = 500 * time.Millisecond // for output held open by what it left behind
	cmd.Stdout, cmd.Stderr = p.tee(cmd.Stdout), p.tee(cmd.Stderr)
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	p.t.Cleanup(p.Kill)
	return p
}

func (p *Process) tee(w io.Writer) io.Writer {
	if w == nil {
		return &p.out
	}
	return io.MultiWriter(&p.out, w)
}

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output is what it printed so far.
func (p *Process) Output() string { return p.out.String() }

// Signal sends it a signal. Nothing happens if it has ended.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("send %v to %s: %v", s, p.name, err)
	}
}

// Kill kills its process group, in which what it started may outlive it, and waits until it is gone.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.exited
}

// Exited is closed when it has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait waits until it ends by itself and returns its exit status, -1 if a signal ended it. It ends the test if that
// takes longer than d.
func (p *Process) Wait(d time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(d):
		p.t.Fatalf("%s has not ended within %s; it printed:\n%s", p.name, d, p.Output())
		return -1
	}
}

// WaitFor waits until its output has the text. It ends the test if that takes longer than d or the process ends first.
func (p *Process) WaitFor(text string, d time.Duration) {
	p.t.Helper()
	Eventually(p.t, d, func() error {
		ended := false
		select {
		case <-p.exited:
			ended = true
		default:
		}
		switch out := p.Output(); {
		case strings.Contains(out, text):
			return nil
		case ended:
			p.t.Fatalf("%s ended (%v) without %q; it printed:\n%s", p.name, p.err, text, out)
			return nil
		default:
			return fmt.Errorf("%s has not printed %q but\n%s", p.name, text, out)
		}
	})
}
