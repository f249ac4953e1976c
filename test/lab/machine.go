package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "embed"

	"golang.org/x/sys/unix"
)

// Machine is a host with an init of its own: systemd is its first process, on a small Debian of which it has its own copy.
type Machine struct {
	Host *Host
	dir  string
	proc *Process
	init int // process id of systemd, seen from the lab
}

//go:embed machine.sh
var machineScript []byte

// rootVariable holds the path of the Debian that WithMachines prepared.
const rootVariable = "LAB_ROOT"

// Machine gives the host a system that has not booted: its files are below Root. It ends with the test.
func (h *Host) Machine() *Machine {
	h.net.t.Helper()
	base := os.Getenv(rootVariable)
	if base == "" {
		h.net.t.Fatalf("make machine %s: TestMain calls lab.Main without lab.WithMachines", h.Name)
	}
	m := &Machine{Host: h, dir: filepath.Join("/run", "machine-"+h.Namespace())}
	if err := m.layOut(base); err != nil {
		h.net.t.Fatalf("make machine %s: %v", h.Name, err)
	}
	h.net.t.Cleanup(func() {
		_ = unix.Unmount(m.Root(), unix.MNT_DETACH)
		_ = unix.Unmount(m.dir, unix.MNT_DETACH)
		_ = os.RemoveAll(m.dir)
	})
	return m
}

// layOut makes the machine's files: those of the base, and over them what the machine writes, in memory.
func (m *Machine) layOut(base string) error {
	if err := os.Mkdir(m.dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("none", m.dir, "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, d := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(m.dir, d), 0o755); err != nil {
			return err
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", base, m.dir, m.dir)
	if err := unix.Mount("none", m.Root(), "overlay", 0, layers); err != nil {
		return fmt.Errorf("lay files over %s: %w", base, err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "machine.sh"), machineScript, 0o644); err != nil {
		return err
	}
	return os.WriteFile(m.File("/etc/hostname"), []byte(m.Host.Name+"\n"), 0o644)
}

// Root is where the machine's files are, for the lab.
func (m *Machine) Root() string { return filepath.Join(m.dir, "root") }

// File is where a file of the machine is for the lab. Below /run, /tmp and /dev that holds only before it has booted.
func (m *Machine) File(path string) string { return filepath.Join(m.Root(), path) }

// Boot starts the machine and returns when systemd says that it runs, no unit failed.
func (m *Machine) Boot() {
	m.Host.net.t.Helper()
	m.proc = m.Host.Start("/bin/sh", filepath.Join(m.dir, "machine.sh"), "enter", m.dir)
	m.Host.net.t.Cleanup(m.off)
	state := ""
	Eventually(m.Host.net.t, 60*time.Second, func() (err error) {
		select {
		case <-m.proc.Exited():
			m.Host.net.t.Fatalf("boot %s: its init ended:\n%s", m.Host.Name, m.proc.Output())
		default:
		}
		if err := m.find(); err != nil {
			return err
		}
		state, err = m.Try("systemctl", "is-system-running")
		if state == "degraded" || state == "running" {
			return nil
		}
		return fmt.Errorf("boot %s: %w; it printed:\n%s", m.Host.Name, err, m.proc.Output())
	})
	if state != "running" {
		failed, _ := m.Try("systemctl", "--failed", "--no-legend")
		m.Host.net.t.Fatalf("boot %s: %s: %s", m.Host.Name, state, failed)
	}
}

// find looks for systemd, which is the only child of unshare when it has come so far.
func (m *Machine) find() error {
	for _, pid := range children(m.proc.Pid()) {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.TrimSpace(string(name)) == "systemd" {
			m.init = pid
			return nil
		}
	}
	return fmt.Errorf("%s has no systemd yet; it printed:\n%s", m.Host.Name, m.proc.Output())
}

// off is a power failure. What the machine ran dies with its first process.
func (m *Machine) off() {
	if m.init != 0 {
		_ = syscall.Kill(m.init, syscall.SIGKILL)
	}
	m.proc.Kill()
}

// Command is a command that will run on the machine.
func (m *Machine) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", strconv.Itoa(m.init), "--all", "--", name}, args...)...)
}

// Try runs a command on the machine and returns what it printed to both outputs, without the last newline.
func (m *Machine) Try(name string, args ...string) (string, error) {
	out, err := m.Command(name, args...).CombinedOutput()
	text := strings.TrimSuffix(string(out), "\n")
	if err != nil {
		return text, fmt.Errorf("run %s %s on %s: %w: %s", name, strings.Join(args, " "), m.Host.Name, err, text)
	}
	return text, nil
}

// Run is Try for a command that must succeed.
func (m *Machine) Run(name string, args ...string) string {
	m.Host.net.t.Helper()
	out, err := m.Try(name, args...)
	if err != nil {
		m.Host.net.t.Fatalf("%v", err)
	}
	return out
}

// Property is a property of a unit, such as ActiveState or NRestarts.
func (m *Machine) Property(unit, name string) string {
	m.Host.net.t.Helper()
	return m.Run("systemctl", "show", "--value", "--property="+name, unit)
}

// Journal is what the journal has of a unit.
func (m *Machine) Journal(unit string) string {
	m.Host.net.t.Helper()
	return m.Run("journalctl", "--no-pager", "--output=short-monotonic", "--unit="+unit)
}

// prepareRoot makes the Debian that machines are of, unless it is there, and returns its path. It runs outside the lab.
func prepareRoot() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the machines' Debian: %w", err)
	}
	dir := filepath.Join(cache, "lvsd", "lab-root")
	tool, err := sourceFile("tools/lab-root")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command(tool, dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make the machines' Debian: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return dir, nil
}

// sourceFile finds a file of this module, above the current directory.
func sourceFile(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find %s: %w", name, os.ErrNotExist)
		}
	}
}
