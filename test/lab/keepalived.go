package lab

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Keepalived is a keepalived on a host, with files of its own. It writes no log: what it did is told by States, by the
// wire and by the kernel.
type Keepalived struct {
	*Process
	host *Host
	dir  string

	mu     sync.Mutex
	states []string
}

// Keepalived starts keepalived on the host with the configuration given, in which scripts run as root. It ends with the
// test. A host has one at a time; one that was killed may be started again.
func (h *Host) Keepalived(conf string) *Keepalived {
	h.net.t.Helper()
	dir, err := os.MkdirTemp(h.dir, "keepalived")
	if err != nil {
		h.net.t.Fatalf("start keepalived on %s: %v", h.Name, err)
	}
	k := &Keepalived{host: h, dir: dir}
	k.Write(conf)
	if err := k.listen(); err != nil {
		h.net.t.Fatalf("start keepalived on %s: %v", h.Name, err)
	}
	k.Process = h.Start("keepalived", "--dont-fork", "--no-syslog", "--use-file="+k.file("conf"),
		"--pid="+k.file("pid"), "--vrrp_pid="+k.file("vrrp.pid"), "--checkers_pid="+k.file("checkers.pid"))
	h.net.t.Cleanup(k.KillAll)
	return k
}

func (k *Keepalived) file(name string) string { return filepath.Join(k.dir, name) }

// Write replaces the configuration; Signal(SIGHUP) makes keepalived read it.
func (k *Keepalived) Write(conf string) {
	k.host.net.t.Helper()
	head := "global_defs {\n  script_user root\n  vrrp_notify_fifo " + k.file("fifo") + "\n}\n"
	if err := os.WriteFile(k.file("conf"), []byte(head+conf), 0o600); err != nil {
		k.host.net.t.Fatalf("configure keepalived on %s: %v", k.host.Name, err)
	}
}

// listen collects what keepalived tells its fifo of notifications.
func (k *Keepalived) listen() error {
	if err := syscall.Mkfifo(k.file("fifo"), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(k.file("fifo"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	k.host.net.t.Cleanup(func() { _ = f.Close() })
	go func() {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			k.mu.Lock()
			k.states = append(k.states, lines.Text())
			k.mu.Unlock()
		}
	}()
	return nil
}

// States are the changes of state so far, as keepalived tells them: `INSTANCE "VI_1" MASTER 150`.
func (k *Keepalived) States() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.states...)
}

// State is the last state of an instance or group, such as MASTER; empty before the first.
func (k *Keepalived) State(name string) string {
	state := ""
	for _, s := range k.States() {
		if f := strings.Fields(s); len(f) >= 3 && strings.Trim(f[1], `"`) == name {
			state = f[2]
		}
	}
	return state
}

// Child is the process id of the part that speaks VRRP ("vrrp") or checks servers ("checkers"). It waits for it to be
// there.
func (k *Keepalived) Child(part string) int {
	k.host.net.t.Helper()
	pid := 0
	Eventually(k.host.net.t, 5*time.Second, func() (err error) {
		pid, err = k.child(part)
		return err
	})
	return pid
}

func (k *Keepalived) child(part string) (int, error) {
	text, err := os.ReadFile(k.file(part + ".pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read pid of %s: %w", part, err)
	}
	return pid, nil
}

// pids are the parent, if it still is there, and its children, in this order.
func (k *Keepalived) pids() []int {
	select {
	case <-k.Exited():
		return nil
	default:
	}
	return append([]int{k.Pid()}, children(k.Pid())...)
}

// children are the processes that a process started and that are there.
func children(pid int) []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var list []int
	for f := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(f); err == nil {
			list = append(list, child)
		}
	}
	return list
}

// KillAll kills parent and children at a stroke. (When the parent dies first its children get SIGTERM, and send adverts
// of priority 0: that is no crash.)
func (k *Keepalived) KillAll() {
	pids := k.pids()
	if len(pids) == 0 {
		return
	}
	_ = syscall.Kill(pids[0], syscall.SIGSTOP)
	for _, pid := range append(pids[1:], pids[0]) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-k.Exited()
}

// Pause stops all its processes where they are; Continue lets them go on.
func (k *Keepalived) Pause() { k.all(syscall.SIGSTOP) }

// Continue undoes Pause.
func (k *Keepalived) Continue() { k.all(syscall.SIGCONT) }

func (k *Keepalived) all(s syscall.Signal) {
	for _, pid := range k.pids() {
		_ = syscall.Kill(pid, s)
	}
}

// Stop ends keepalived as its service does, and waits until it is gone.
func (k *Keepalived) Stop() {
	k.host.net.t.Helper()
	k.Signal(syscall.SIGTERM)
	k.Wait(15 * time.Second)
}
