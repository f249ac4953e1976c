// Package kernel runs a program as root on a kernel that has IPVS: one of its own, booted from Debian's user-mode-linux on
// the host's file system (RunUML), or the running one in new namespaces (RunHere).
package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "embed"
)

// Inside is the environment variable that is set for a program run by this package: "uml" or "here".
const Inside = "LAB_INSIDE"

// Job is a program to run. Its standard input is empty; its standard output and standard error go to Output, live and in
// the order in which they were written. It sees the host's files. Under UML it can write only below Dir and Writable,
// and in /run, $TMPDIR and /dev, which are its own.
type Job struct {
	Argv     []string  // Argv[0] is a path
	Dir      string    // where it runs; empty is the current directory
	Env      []string  // NAME=value, added to this process's environment
	Writable []string  // directories of the host that it may write, besides Dir
	Memory   string    // of a UML, as its mem= parameter; empty is 2G. Only what is touched is taken from the host
	Output   io.Writer // nil is os.Stdout
	Terminal bool      // this process's terminal is the program's, instead of an empty input and Output
}

// ErrNoStatus is wrapped in the error of a run whose kernel ended, or was ended at the deadline, before the program
// did. The error's text then ends with what the kernel's console showed last.
var ErrNoStatus = errors.New("no exit status")

//go:embed init.sh
var initScript []byte

// pollEvery is how often the program's output is looked for.
const pollEvery = 20 * time.Millisecond

// prepared is a job laid down in a directory that both sides see.
type prepared struct {
	Job
	dir string
}

// prepare writes the job down for init.sh: "job" sets the environment and the arguments, "writable" lists directories.
func (j Job) prepare(where string) (*prepared, error) {
	if len(j.Argv) == 0 {
		return nil, errors.New("prepare job: no program")
	}
	if err := j.defaults(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lvsd-lab-")
	if err != nil {
		return nil, fmt.Errorf("prepare job: %w", err)
	}
	p := &prepared{Job: j, dir: dir}
	files := map[string][]byte{
		"init":     initScript,
		"job":      []byte(j.script(where)),
		"writable": []byte(strings.Join(append([]string{dir, j.Dir}, j.Writable...), "\n") + "\n"),
		"output":   nil,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("prepare job: %w", err), p.remove())
		}
	}
	return p, nil
}

func (j *Job) defaults() error {
	if j.Dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("prepare job: %w", err)
		}
		j.Dir = wd
	}
	if j.Memory == "" {
		j.Memory = "2G"
	}
	if j.Output == nil {
		j.Output = os.Stdout
	}
	return nil
}

// script is the job as init.sh reads it.
func (j Job) script(where string) string {
	var b strings.Builder
	for _, kv := range append(os.Environ(), j.Env...) {
		name, value, _ := strings.Cut(kv, "=")
		if !isName(name) || name == "TMPDIR" || name == "PATH" {
			continue
		}
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(value))
	}
	fmt.Fprintf(&b, "export %s=%s\n", Inside, where)
	fmt.Fprintf(&b, "PATH=%s:$PATH\n", quote(os.Getenv("PATH")))
	fmt.Fprintf(&b, "cd %s || exit 125\n", quote(j.Dir))
	if j.Terminal {
		b.WriteString("terminal=yes\n")
	}
	b.WriteString("set --")
	for _, a := range j.Argv {
		b.WriteString(" " + quote(a))
	}
	return b.String() + "\n"
}

// quote makes one word of s for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// isName says whether a shell takes s as the name of a variable.
func isName(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// status reads what the program exited with.
func (p *prepared) status() (int, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, "status"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, ErrNoStatus
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (p *prepared) remove() error { return os.RemoveAll(p.dir) }

// follow copies the program's output to Output as it grows, until ctx ends; then what is left of it.
func (p *prepared) follow(ctx context.Context) error {
	f, err := os.Open(filepath.Join(p.dir, "output"))
	if err != nil {
		return err
	}
	defer f.Close()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		over := ctx.Err() != nil
		if _, err := io.Copy(p.Output, f); err != nil {
			return fmt.Errorf("copy output: %w", err)
		}
		if over {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
