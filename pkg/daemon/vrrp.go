package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/rs/zerolog"

	"github.com/lvsd/lvsd/pkg/link"
)

// VRRPOptions are what the vrrp process is told on its command line.
type VRRPOptions struct {
	Config  string // the operator's file
	Dir     string // of its record, its link and what it accepted last
	Force   bool   // adverts that are too fast without real time
	Version string
	Log     zerolog.Logger // passes lines on without waiting for who reads them
}

// LinkPath is the socket of the vrrp process with that directory.
func LinkPath(dir string) string { return filepath.Join(dir, "link.sock") }

// startPatience is how long a start that failed waits before it ends where systemd would start it again at once.
const startPatience = time.Second

// RunVRRP is the vrrp process: it speaks VRRP and holds the VIPs until ctx is done, then gives its roles away softly. A
// value in reload has it read the operator's file anew.
//
// It executes itself once it has read its configuration, so that every thread has real time from birth, and again at a
// reload that finds another program on disk; see handoff. Hence it is called by the first goroutine of a program
// that does nothing else.
func RunVRRP(ctx context.Context, o VRRPOptions, reload <-chan struct{}) error {
	h, err := inherited()
	if err == nil && h == nil {
		err = begin(o)
	}
	if err != nil {
		return patiently(ctx, err)
	}
	for image := time.Now(); ; {
		v, err := openVRRP(o, h, image)
		if err != nil {
			return patiently(ctx, err)
		}
		next, err := v.live(ctx, reload)
		if next == nil {
			return err
		}
		if ctx.Err() == nil {
			o.Log.Error().Err(next.exec()).Msg("reload failed; VRRP goes on with the program and configuration that it had")
		}
		if next.Pair != nil {
			next.Config = next.Pair.Config // in force; a reload may have come since the program began
		}
		h = next
	}
}

// patiently gives a start's error back after startPatience where systemd would start the process again at once: its
// RestartSec=0 is meant for crashes.
func patiently(ctx context.Context, err error) error {
	if os.Getenv("INVOCATION_ID") == "" { // systemd.exec(5)
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(startPatience):
	}
	return err
}

// begin reads the configuration, claims what only one may have, and executes the program anew with real time. It returns
// only an error.
func begin(o VRRPOptions) error {
	if err := makeDir(o.Dir); err != nil {
		return err
	}
	config, trouble, err := startConfig(o.Config, o.Dir)
	if err != nil {
		return err
	}
	lock, stranger, err := vrrpClaim.take()
	if err != nil {
		return err
	}
	h := handoff{Config: config, Trouble: trouble, Stranger: stranger, Lock: -1, Started: time.Now()}
	if lock != nil {
		defer lock.Close()
		f, err := fileOf(lock)
		if err != nil {
			return err
		}
		defer f.Close()
		h.Lock = int(f.Fd())
	}
	server, err := link.Listen(LinkPath(o.Dir))
	if err != nil {
		return err
	}
	defer server.Close()
	f, err := server.File()
	if err != nil {
		return err
	}
	defer f.Close()
	h.Link = int(f.Fd())
	runtime.LockOSThread() // the thread that gets real time is the one that executes
	h.RealTime = askRealTime()
	if err := checkSpeed(config, h.RealTime, o.Force); err != nil {
		return err
	}
	return h.exec()
}

func fileOf(l *net.UnixListener) (*os.File, error) {
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("hand the lock on: %w", err)
	}
	return f, nil
}
