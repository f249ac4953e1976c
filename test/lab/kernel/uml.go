package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// umlPath is where Debian's package user-mode-linux puts the kernel.
const umlPath = "/usr/bin/linux.uml"

// RunUML boots a kernel, runs the job on it and returns the job's exit status. It ends when the job does; when ctx ends
// first the kernel is killed with all that runs on it, and the error wraps ErrNoStatus. Nothing is left running, not even
// if this process is killed. It wants root.
func (j Job) RunUML(ctx context.Context) (status int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("boot lab kernel: root is needed (sudo make test)")
	}
	if _, err := os.Stat(umlPath); err != nil {
		return 0, fmt.Errorf("boot lab kernel: %w (Debian's package user-mode-linux; `make deps` installs it)", err)
	}
	if err := errors.Join(raiseMapCount(), makeModuleDir()); err != nil {
		return 0, fmt.Errorf("boot lab kernel: %w", err)
	}
	p, err := j.prepare("uml")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.remove()) }()
	return p.run(ctx, p.umlCommand())
}

// umlCommand is the kernel's command line, under a first process of a PID namespace of its own: each process on a UML is
// a process of the host, and they all end with that one.
func (p *prepared) umlCommand() *exec.Cmd {
	args := append(isolated(), "--", "/bin/sh", "-c", `"$@"; exit $?`, "lab",
		umlPath, "mem="+p.Memory, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"init="+p.dir+"/init", "lab="+p.dir, "uml=yes", "uml_dir="+p.dir, "umid=lab",
		"con=null", "con0=fd:0,fd:1", "quiet", "panic=-1")
	if p.Terminal {
		args = append(args, "loglevel=1") // nothing but a panic
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TERM=" + os.Getenv("TERM")}
	if dir := memoryDir(p.Memory, p.dir); dir != "" {
		cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	}
	return cmd
}

// isolated are unshare's flags for a PID namespace that ends with unshare.
func isolated() []string { return []string{"--pid", "--fork", "--kill-child=KILL", "--mount-proc"} }

// memoryDir is where the kernel's memory file goes: empty is its own choice, /dev/shm, unless that is too small.
func memoryDir(memory, fallback string) string {
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= size(memory) {
		return ""
	}
	return fallback
}

// size reads what the kernel's mem= takes: a number with K, M or G.
func size(s string) uint64 {
	shift := map[string]uint{"K": 10, "M": 20, "G": 30}
	n := strings.TrimRight(s, "KMG")
	v, err := strconv.ParseUint(n, 10, 32)
	if err != nil {
		return 0
	}
	return v << shift[s[len(n):]]
}

// run starts cmd and waits for it; ctx ending kills it.
func (p *prepared) run(ctx context.Context, cmd *exec.Cmd) (int, error) {
	console := &tail{max: 16 << 10}
	cmd.Stdout, cmd.Stderr = console, console
	if p.Terminal {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	}
	cmd.WaitDelay = 2 * time.Second
	following, stop := context.WithCancel(context.Background())
	copied := make(chan error, 1)
	go func() { copied <- p.follow(following) }()
	start := time.Now()
	ended := startAndWait(ctx, cmd, !p.Terminal)
	stop()
	if err := <-copied; err != nil {
		return 0, err
	}
	status, err := p.status()
	if err == nil {
		return status, nil
	}
	why := fmt.Sprint("kernel ended: ", ended)
	if ctx.Err() != nil {
		why = "killed: " + context.Cause(ctx).Error()
	}
	return 0, fmt.Errorf("run on lab kernel: %w after %s, %s; the console's last lines:\n%s", err,
		time.Since(start).Round(time.Millisecond), why, console)
}

// startAndWait runs cmd from one thread that stays until it ended: PDEATHSIG is about the thread, not the process.
func startAndWait(ctx context.Context, cmd *exec.Cmd, session bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: session}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	return cmd.Wait()
}

// tail keeps the last max bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	max int
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - t.max; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ReplaceAll(t.buf, []byte("\r"), nil))
}
