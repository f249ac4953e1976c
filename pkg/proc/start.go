package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type startResult struct {
	process *process
	err     error
}

// start starts c from a thread of its own, which has given up what the program must not inherit, and which ends with
// this goroutine: the capabilities of a thread are its own (capabilities(7)), and a forked process has those of the
// thread that forked it. The goroutine therefore never unlocks its thread.
func start(c Command, out *os.File, result chan<- startResult) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end, and shows in /proc as the whole process. Holding it sends the work to another.
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		go func() {
			defer close(done)
			start(c, out, result)
		}()
		<-done
		return
	}
	p, err := launch(c, out)
	result <- startResult{p, err}
}

func launch(c Command, out *os.File) (*process, error) {
	if len(c.Argv) == 0 {
		return nil, errors.New("no command")
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	if c.User == nil || !c.User.keepsCapabilities() {
		if err := renounce(); err != nil {
			return nil, err
		}
	}
	pidfd := -1
	sys := &syscall.SysProcAttr{Setpgid: true, PidFD: &pidfd}
	if c.User != nil && !c.User.isSelf() {
		sys.Credential = &syscall.Credential{Uid: c.User.UID, Gid: c.User.GID, Groups: c.User.Groups}
	}
	p, err := os.StartProcess(c.Argv[0], c.Argv, &os.ProcAttr{
		Dir: "/", Env: environment(c), Files: []*os.File{in, out, out}, Sys: sys,
	})
	if err != nil {
		return nil, whyNot(c, err)
	}
	running := &process{p: p}
	if running.pidfd, err = pollable(pidfd); err != nil {
		// Only on a kernel before 5.10. The process is not reaped yet, so the number is its own.
		running.signalGroup(unix.SIGKILL)
		_, _ = p.Wait()
		return nil, err
	}
	return running, nil
}

// pollable makes a pidfd that the runtime's poller can wait for.
func pollable(pidfd int) (*os.File, error) {
	if pidfd < 0 {
		return nil, errors.New("this kernel gives no pidfd")
	}
	err := unix.SetNonblock(pidfd, true)
	if err != nil {
		_ = unix.Close(pidfd)
		return nil, fmt.Errorf("make pidfd non-blocking: %w", err)
	}
	f := os.NewFile(uintptr(pidfd), "pidfd")
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("poll pidfd: %w", err)
	}
	return f, nil
}

// path is where programs find others; that of systemd's own services.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func environment(c Command) []string {
	env := []string{path}
	if u := c.User; u != nil {
		env = append(env, "HOME="+u.Home, "USER="+u.Name, "LOGNAME="+u.Name)
	}
	return append(env, c.Env...)
}

// renounce takes from this thread what a program must not inherit: the ambient and inheritable capabilities, and, with
// no_new_privs, what set-user-ID programs and file capabilities would give. For uid 0, whom exec gives every capability
// of the bounding set, that is emptied too; the thread keeps its own, for the change of user.
func renounce() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0 // what is not inheritable is not ambient either
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("clear inheritable capabilities: %w", err)
	}
	for c := uintptr(0); ; c++ {
		switch err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); {
		case errors.Is(err, unix.EINVAL): // past the last one that this kernel knows
			return nil
		case err != nil && os.Getuid() == 0:
			return fmt.Errorf("empty the capability bounding set (needs CAP_SETPCAP): %w", err)
		case err != nil: // not for us to drop; an exec by another uid than 0 gives none of it
			return nil
		}
	}
}
