// Command shell gives a person a shell, or runs one command line, in a running topology of the lab: two directors, three
// real servers with web servers, and a client, on one bridge; or without a topology, on the lab's bare kernel. `make lab`
// and `make demo` run it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/term"

	"github.com/lvsd/lvsd/test/lab"
	"github.com/lvsd/lvsd/test/lab/kernel"
)

func main() {
	line := flag.String("c", "", "run this command line instead of a shell")
	bare := flag.Bool("bare", false, "run the command line where this was called, in no topology and with no lvsd of its own")
	flag.Parse()
	if lab.Inside() {
		os.Exit(inside(*line))
	}
	status, err := outside(*line, *bare)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// outside starts this program again in the lab and waits for it.
func outside(line string, bare bool) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if bare {
		return lab.Run(ctx, kernel.Job{Argv: []string{"/bin/sh", "-c", line}})
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "lvsd-build-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	job := kernel.Job{Argv: []string{self, "-c", line}}
	if _, err := lab.BuildLvsd(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "lab: going on without lvsd:", err)
	} else {
		job.Env = append(job.Env, "LAB_BIN="+dir)
	}
	if line != "" {
		return lab.Run(ctx, job)
	}
	return interactive(ctx, job)
}

// interactive lends the terminal to the lab and takes it back as it was.
func interactive(ctx context.Context, job kernel.Job) (int, error) {
	stdin := int(os.Stdin.Fd())
	before, err := term.GetState(stdin)
	if err != nil {
		return 0, fmt.Errorf("open a shell: standard input is not a terminal (make lab CMD='...' runs a command)")
	}
	defer func() { _ = term.Restore(stdin, before) }()
	if width, height, err := term.GetSize(stdin); err == nil {
		job.Env = append(job.Env, "COLUMNS="+strconv.Itoa(width), "LINES="+strconv.Itoa(height))
	}
	job.Terminal = true
	return lab.Run(ctx, job)
}

// session stands for a test, towards the lab.
type session struct {
	dirs  int
	ended []func()
}

func (s *session) Helper()                    {}
func (s *session) Cleanup(f func())           { s.ended = append(s.ended, f) }
func (s *session) Logf(f string, args ...any) { fmt.Printf(f+"\n", args...) }
func (s *session) Fatalf(f string, args ...any) {
	fmt.Fprintf(os.Stderr, "lab: "+f+"\n", args...)
	s.end()
	os.Exit(1)
}

func (s *session) TempDir() string {
	s.dirs++
	dir := filepath.Join(home, "host"+strconv.Itoa(s.dirs))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.Fatalf("make directory: %v", err)
	}
	return dir
}

func (s *session) end() {
	for i := len(s.ended) - 1; i >= 0; i-- {
		s.ended[i]()
	}
}
