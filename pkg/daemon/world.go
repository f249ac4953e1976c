// Package daemon is the life of `lvsd run`: it loads the configuration, opens what is outside, joins the parts by their
// channels, reloads, and ends them in the order of the data. Every line that lvsd logs is made here.
package daemon

import (
	"context"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
)

// World is everything outside lvsd that Run touches, apart from files and the probes, so that a test can hand in another.
type World struct {
	Kernel    func() (ipvs.Kernel, error)                                   // called once for each goroutine that needs one
	Neighbors func(ctx context.Context, addrs []netip.Addr) director.Probed // ask these, or the gateways
	Log       zerolog.Logger
	Version   string
}

// Options are what the command line says.
type Options struct {
	Config      string // path of the TOML
	FlushOnStop bool   // on a clean end, take out of the kernel what lvsd put there
}

// Signals are what may reach a running daemon from outside.
type Signals struct {
	Reload <-chan struct{} // read the configuration anew
	Reopen <-chan struct{} // reopen the audit file, for logrotate
}

// How long the parts are given.
const (
	stopTimeout    = 10 * time.Second // for the last table to be written
	probeTimeout   = 2 * time.Second  // for neighbours to answer; they take 0.9 s to be silent
	statusTimeout  = 5 * time.Second  // for the director to answer
	syncsAgain     = 5 * time.Second  // between two looks at the daemons of connection synchronisation
	tableRetry     = time.Second      // after a write that failed
	stuckAfter     = 30 * time.Second // without a turn of the table loop, besides ten resyncs
	watchdogPeriod = 5 * time.Second  // for each part to show that it is alive
)
