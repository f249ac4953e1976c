package pair

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// unit is a process that is started again when it dies, as a unit with Restart=always and RestartSec=wait.
type unit struct {
	t    testing.TB
	host *lab.Host
	args []string
	wait time.Duration

	mu   sync.Mutex
	proc *lab.Process
	over chan struct{} // closed when it is not to be started again; nil while it does not run
}

func (u *unit) start() {
	u.t.Helper()
	over := make(chan struct{})
	u.mu.Lock()
	u.over = over
	u.mu.Unlock()
	u.run()
	u.t.Cleanup(func() { u.let(over) })
	go u.watch(over)
}

func (u *unit) run() {
	p := u.host.Start(lab.Lvsd(u.t), u.args...)
	u.mu.Lock()
	u.proc = p
	u.mu.Unlock()
}

// let ends the watch.
func (u *unit) let(over chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over == over {
		close(over)
		u.over = nil
	}
}

func (u *unit) watch(over chan struct{}) {
	for {
		p := u.current()
		select {
		case <-over:
			return
		case <-p.Exited():
		}
		u.t.Logf("%s of %s ended; it printed:\n%s", strings.Join(u.args[:2], " "), u.host.Name, p.Output())
		select {
		case <-over:
			return
		case <-time.After(u.wait):
			u.run()
		}
	}
}

func (u *unit) current() *lab.Process {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.proc
}

func (u *unit) signal(s syscall.Signal) { u.t.Helper(); u.current().Signal(s) }

// kill is a crash: the unit is started again.
func (u *unit) kill() { u.t.Helper(); u.signal(syscall.SIGKILL) }

// abandon is a crash of what nobody starts again.
func (u *unit) abandon() {
	u.t.Helper()
	u.mu.Lock()
	over := u.over
	u.mu.Unlock()
	u.let(over)
	u.current().Kill()
}

// stop ends it as systemctl stop does.
func (u *unit) stop() {
	u.t.Helper()
	u.mu.Lock()
	over := u.over
	u.mu.Unlock()
	u.let(over)
	u.signal(syscall.SIGTERM)
	if code := u.current().Wait(15 * time.Second); code != 0 {
		u.t.Fatalf("%s of %s ended with %d:\n%s", strings.Join(u.args[:2], " "), u.host.Name, code, u.current().Output())
	}
}
