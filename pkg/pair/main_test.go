package pair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
)

// Environment of this program when it runs again.
const (
	inside   = "LVSD_PAIR_TEST_INSIDE"   // in a network namespace of its own
	director = "LVSD_PAIR_TEST_DIRECTOR" // as a director, with this directory
)

// TestMain runs the tests again in a network namespace of their own, and this program is also each of their directors. It
// needs root.
func TestMain(m *testing.M) {
	if dir := os.Getenv(director); dir != "" {
		if err := direct(dir); err != nil {
			fmt.Fprintln(os.Stderr, "director:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	self := exec.Command("/proc/self/exe", os.Args[1:]...)
	self.Env = append(os.Environ(), inside+"=1")
	self.Stdin, self.Stdout, self.Stderr = os.Stdin, os.Stdout, os.Stderr
	self.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var exit *exec.ExitError
	switch err := self.Run(); {
	case err == nil:
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	default:
		fmt.Fprintln(os.Stderr, "a network namespace for the tests, which needs root:", err)
		os.Exit(1)
	}
}

// direct is a vrrp process that is asked and answers by messages on its standard input and output, and ends by SIGTERM.
func direct(dir string) error {
	if os.Getenv("LVSD_PAIR_TEST_RESIGN") != "" {
		cfg, err := readJSON[link.Config](filepath.Join(dir, "config"))
		if err != nil {
			return err
		}
		names, err := Resign(cfg, dir)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(names)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := readJSON[link.Config](filepath.Join(dir, "config"))
	if err != nil {
		return err
	}
	frozen, err := readJSON[Frozen](filepath.Join(dir, "frozen"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_ = os.Remove(filepath.Join(dir, "frozen"))
	p, err := Open(Options{Config: cfg, Version: "test", Dir: dir, Frozen: frozen})
	if err != nil {
		return err
	}
	go serve(p, dir, frozen != nil)
	if err := p.Run(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	select {} // frozen: again replaces this program
}

// serve answers. That the program before was replaced, as it was asked to be, the next one says.
func serve(p *Pair, dir string, replaced bool) {
	p.Hear(link.Word{Ready: true})
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	if replaced && out.Encode(link.Message{OK: true}) != nil {
		return
	}
	for {
		var ask link.Message
		if in.Decode(&ask) != nil {
			return
		}
		if err := out.Encode(answer(p, dir, ask)); err != nil {
			return
		}
	}
}

func answer(p *Pair, dir string, ask link.Message) (reply link.Message) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	switch {
	case ask.Ask:
		reply.State = p.State()
		if err = p.Alive(); err == nil {
			reply.Transitions, reply.Notices = p.Since(0)
		}
	case ask.Apply != nil:
		err = p.Apply(ask.Apply)
	case ask.Handover != nil:
		err = p.Handover(ctx, *ask.Handover)
	case ask.Reexec != nil:
		err = again(ctx, p, dir)
	}
	if err != nil {
		reply.Error = err.Error()
	}
	reply.OK = err == nil
	return reply
}

// again replaces this program by itself, in place, or says why not.
func again(ctx context.Context, p *Pair, dir string) error {
	f, err := p.Freeze(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "frozen"), text, 0o600); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}

func readJSON[T any](path string) (*T, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v := new(T)
	return v, json.Unmarshal(text, v)
}
