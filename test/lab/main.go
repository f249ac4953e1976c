// Package lab gives tests a kernel with IPVS, and networks of directors, real servers and clients made of namespaces.
//
// A test package uses it by
//
//	func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.WithLvsd())) }
//
// The test binary then boots a user-mode Linux and runs itself in it, as root; with LAB=host it runs itself on the
// running kernel. Each test builds its own network with New, OneBridge or TwoBridges. Functions without an error among
// their results end the test when they fail, so they are called from the test's goroutine.
package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab/kernel"
)

// T is what the lab uses of a *testing.T or *testing.B.
type T interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	TempDir() string
}

// Option says what a test package needs.
type Option func(*options)

type options struct {
	lvsd     bool
	machines bool
	memory   string
}

// WithLvsd builds lvsd from the working tree first; tests find it by Lvsd.
func WithLvsd() Option { return func(o *options) { o.lvsd = true } }

// WithMachines has ready what Host.Machine needs: a small Debian, made once and kept in the user's cache directory.
func WithMachines() Option { return func(o *options) { o.machines = true } }

// WithMemory sets the memory of the lab's kernel, such as "4G"; 2G without it.
func WithMemory(size string) Option { return func(o *options) { o.memory = size } }

// lvsdVariable holds the path of the lvsd that was built.
const lvsdVariable = "LAB_LVSD"

// Inside says whether this process runs in the lab.
func Inside() bool { return os.Getenv(kernel.Inside) != "" }

// OwnKernel says whether this process runs on a kernel that is the lab's own, whose modules a test may unload.
func OwnKernel() bool { return os.Getenv(kernel.Inside) == "uml" }

// Lvsd is the path of the lvsd that WithLvsd built.
func Lvsd(t T) string {
	t.Helper()
	path := os.Getenv(lvsdVariable)
	if path == "" {
		t.Fatalf("find lvsd: TestMain calls lab.Main without lab.WithLvsd")
	}
	return path
}

// Main runs the tests of m in the lab and returns their exit status, for os.Exit. Its deadline is that of go test.
func Main(m *testing.M, opts ...Option) int {
	flag.Parse()
	if Inside() || flag.Lookup("test.list").Value.String() != "" {
		return m.Run()
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	status, err := outside(o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\nFAIL\n", err)
		return 1
	}
	return status
}

// grace is how much longer than go test's own deadline the kernel may live, so that the deadline's report, with every
// goroutine's stack, comes out.
const grace = 15 * time.Second

func outside(o options) (int, error) {
	limit := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit+grace)
		defer cancel()
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	job := kernel.Job{Argv: append([]string{self}, insideArgs(os.Args[1:])...), Memory: o.memory}
	if dir := flag.Lookup("test.outputdir").Value.String(); dir != "" {
		job.Writable = append(job.Writable, dir)
	}
	if o.lvsd {
		dir, err := os.MkdirTemp("", "lvsd-build-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		path, err := BuildLvsd(ctx, dir)
		if err != nil {
			return 0, err
		}
		job.Env = append(job.Env, lvsdVariable+"="+path)
	}
	if o.machines {
		path, err := prepareRoot()
		if err != nil {
			return 0, err
		}
		job.Env = append(job.Env, rootVariable+"="+path)
	}
	return Run(ctx, job)
}

// Run runs the job where LAB says: on a kernel of its own, or with LAB=host on the running one.
func Run(ctx context.Context, job kernel.Job) (int, error) {
	switch where := os.Getenv("LAB"); where {
	case "", "uml":
		if race {
			return 0, errors.New("the race detector cannot run on a user-mode Linux: test without -race, or with LAB=host")
		}
		return job.RunUML(ctx)
	case "host":
		return job.RunHere(ctx)
	default:
		return 0, fmt.Errorf("LAB=%q: want uml or host", where)
	}
}

// insideArgs are this process's arguments without the log of opened files: with none, go test never takes the result
// from its cache, which knows nothing of lvsd's sources.
func insideArgs(args []string) []string {
	var keep []string
	for _, a := range args {
		if !strings.HasPrefix(strings.TrimLeft(a, "-"), "test.testlogfile=") {
			keep = append(keep, a)
		}
	}
	return keep
}

// BuildLvsd builds lvsd as it is shipped into dir and returns its path.
func BuildLvsd(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "lvsd")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, "github.com/lvsd/lvsd/cmd/lvsd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("build lvsd: %w", err), errors.New(strings.TrimSpace(string(out))))
	}
	return path, nil
}
