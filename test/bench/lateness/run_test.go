package lateness

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
)

// started are the processes of the measurement under way; benchmarks run one after the other.
var started []*exec.Cmd

func begin(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := os.Create(filepath.Join(b.TempDir(), "output"))
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	runtime.LockOSThread() // Pdeathsig is of the thread
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if len(started) == 0 {
		b.Cleanup(func() { stop(b) })
	}
	started = append(started, cmd)
}

func stop(b *testing.B) {
	for _, cmd := range started {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if b.Failed() {
			if out, err := os.ReadFile(cmd.Stdout.(*os.File).Name()); err == nil {
				b.Logf("%s:\n%.2000s", strings.Join(cmd.Args, " "), out)
			}
		}
	}
	started = nil
}

// background is the command for an lvsd with 5,000 checks a second, in namespace a.
func background(b *testing.B, dir string) *exec.Cmd {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := inA(self)
	cmd.Env = append(os.Environ(), loadEnv+"="+dir)
	return cmd
}

// load is that lvsd: checks over real sockets, a web server that answers them, a table in memory. It ends with its parent.
func load(dir string) {
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	check(err)
	go func() {
		check(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })))
	}()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	var toml strings.Builder
	fmt.Fprintf(&toml, "state = %q\naudit = { file = %q }\ncontrol = { socket = %q }\n", filepath.Join(dir, "load"), filepath.Join(dir, "audit"), filepath.Join(dir, "sock"))
	toml.WriteString("[check.alive]\ntype = \"http\"\ninterval = \"1s\"\ntimeout = \"1s\"\n")
	for s := range 50 {
		fmt.Fprintf(&toml, "[[service]]\nname = \"s%d\"\nvips = [\"198.51.100.%d\"]\nports = [80]\nforward = \"nat\"\nchecks = [\"alive\"]\nservers = [", s, s+1)
		for i := range 100 {
			fmt.Fprintf(&toml, "{ address = \"127.1.%d.%d\", port = %s },", s+1, i+1, port)
		}
		toml.WriteString("]\n")
	}
	conf := filepath.Join(dir, "load.toml")
	check(os.WriteFile(conf, []byte(toml.String()), 0o600))
	kernel := ipvstest.New(nil)
	world := daemon.World{
		Kernel:    func() (ipvs.Kernel, error) { return kernel, nil },
		Neighbors: func(context.Context, []netip.Addr) director.Probed { return director.Probed{Unasked: true} },
		Log:       zerolog.New(os.Stderr).Level(zerolog.ErrorLevel),
	}
	check(daemon.Run(context.Background(), world, daemon.Options{Config: conf}, daemon.Signals{}))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// sniff gives the kernel's stamp of each advert that arrives in namespace b. How late this process looks does not matter.
func sniff(b *testing.B) <-chan time.Time {
	b.Helper()
	fd, err := open(spaceB)
	if err != nil {
		b.Fatalf("open packet socket: %v", err)
	}
	b.Cleanup(func() { _ = unix.Close(fd) })
	found := make(chan time.Time, 1<<16)
	go func() {
		frame, control := make([]byte, 2048), make([]byte, 256)
		for {
			n, controls, _, _, err := unix.Recvmsg(fd, frame, control, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return // closed
			}
			if at, ok := stamp(control[:controls]); ok && n > 34 && frame[14+9] == 112 {
				found <- at
			}
		}
	}()
	return found
}

// open opens a packet socket in a namespace.
func open(space string) (int, error) {
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		ns, err := unix.Open("/run/netns/"+space, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(ns, unix.CLONE_NEWNET)
			_ = unix.Close(ns)
		}
		if err != nil {
			done <- result{-1, err}
			return
		}
		const ip = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8 // in network order
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, ip)
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		}
		if err == nil {
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60})
		}
		done <- result{fd, err}
	}()
	r := <-done
	return r.fd, r.err
}

// stamp reads SCM_TIMESTAMPNS.
func stamp(control []byte) (time.Time, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))), true
		}
	}
	return time.Time{}, false
}
