package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/link"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lvsd": main, "fakelvsd": fakeDaemon, "fakevrrp": fakeVRRP, "realserver": realServer})
}

// TestScripts runs the sessions in testdata/script: what an operator types, and what comes of it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("SOCKET", filepath.Join(e.WorkDir, "s"))
			return errors.Join(os.Chmod(e.WorkDir, 0o755), os.Chmod(filepath.Dir(e.WorkDir), 0o755)) // other users call too
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "await": await},
	})
}

// exits runs a command and compares its exit code: exits 3 lvsd status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		exit, ok := errors.AsType[interface {
			error
			ExitCode() int
		}](err)
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// await waits until a daemon answers on a socket.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for range 500 {
		if _, err := os.Stat(args[0]); err == nil {
			if c, err := link.Dial(context.Background(), args[0]); err == nil { // a vrrp process
				_ = c.Close()
				return
			}
			if _, err := control.NewClient(args[0]).Ping(context.Background()); err == nil {
				return
			}
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10000})
	}
	ts.Fatalf("nobody answers on %s", args[0])
}

// fakeDaemon answers with canned words: fakelvsd SOCKET STATUS.json [RELOADED.json | ERROR...].
func fakeDaemon() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	server, err := control.Listen(os.Args[1], "v9.9.9")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := server.Serve(ctx, canned{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type canned struct{}

func (canned) Status(_ context.Context, server netip.Addr) (*control.Status, error) {
	var s control.Status
	if err := readJSON(os.Args[2], &s); err != nil || !server.IsValid() {
		return &s, err
	}
	return onlyServer(&s, server), nil
}

// onlyServer leaves what concerns a server, as the daemon does for why.
func onlyServer(s *control.Status, server netip.Addr) *control.Status {
	services, checks := s.Services, s.Checks
	s.Services, s.Checks = nil, nil
	for _, v := range services {
		servers := v.Servers
		v.Servers = nil
		for _, r := range servers {
			if r.Addr.Addr() == server {
				v.Servers = append(v.Servers, r)
			}
		}
		if len(v.Servers) > 0 {
			s.Services = append(s.Services, v)
		}
	}
	for _, c := range checks {
		if c.Addr.Addr() == server {
			s.Checks = append(s.Checks, c)
		}
	}
	return s
}

func (canned) Handover(_ context.Context, router string, _ control.Caller) error {
	return fmt.Errorf("nobody took %q over within 1.2s: this director is still master", router)
}

func (canned) Reload(context.Context, control.Caller) (*control.Reloaded, error) {
	if len(os.Args) == 4 && strings.HasSuffix(os.Args[3], ".json") {
		var r control.Reloaded
		return &r, readJSON(os.Args[3], &r)
	}
	var errs []error
	for _, words := range os.Args[3:] {
		errs = append(errs, errors.New(words))
	}
	return nil, errors.Join(errs...)
}

func readJSON(file string, to any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// realServer answers well, with 503 or late, by path, and writes its port into a file: realserver FILE.
func realServer() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = os.WriteFile(os.Args[1], fmt.Append(nil, l.Addr().(*net.TCPAddr).Port), 0o644)
	}
	n := 0
	if err == nil {
		err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/broken":
				http.Error(w, "coming soon", http.StatusServiceUnavailable)
			case "/flaky":
				if n++; n%2 == 1 {
					http.Error(w, "the first time", http.StatusServiceUnavailable)
				}
			case "/late":
				<-r.Context().Done()
			default:
				_, _ = io.WriteString(w, "all is well\n")
			}
		}))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
