package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// demoInside is set for the part of the demo that runs in a network namespace of its own.
const demoInside = "LVSD_DEMO_INSIDE"

// inOwnNetwork runs this program's demo once more in a new network namespace, so that the host's table and addresses
// stay as they are, and gives its exit code. ok is false if this user may not make one.
func inOwnNetwork(out, errOut *os.File) (code int, ok bool) {
	exe, err := os.Executable()
	if err != nil {
		return 0, false
	}
	runtime.LockOSThread() // the child is killed with the thread that started it: prctl(2), PR_SET_PDEATHSIG
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	child, err := os.StartProcess(exe, os.Args, &os.ProcAttr{
		Env:   append(os.Environ(), demoInside+"=1"),
		Files: []*os.File{os.Stdin, out, errOut},
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, false
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case sig := <-signals:
				_ = child.Signal(sig)
			case <-ended:
				return
			}
		}
	}()
	state, err := child.Wait()
	if err != nil || !state.Exited() {
		return exitNo, true
	}
	return state.ExitCode(), true
}

// bringUp gives the namespace's loopback an address and starts it. Every address of the same /24 is then the
// namespace's own: the kernel holds the whole prefix of a loopback address for local.
func bringUp(addr netip.Addr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("start loopback: %w", err)
	}
	defer unix.Close(s)
	alias, err := unix.NewIfreq("lo:1")
	if err == nil {
		err = alias.SetInet4Addr(addr.AsSlice())
	}
	if err == nil {
		err = unix.IoctlIfreq(s, unix.SIOCSIFADDR, alias)
	}
	if err != nil {
		return fmt.Errorf("give loopback %v: %w", addr, err)
	}
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		lo.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
	}
	if err != nil {
		return fmt.Errorf("start loopback: %w", err)
	}
	return nil
}
