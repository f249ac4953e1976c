package daemon

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/pair"
)

// restartTakes is how long systemd and a new vrrp process need until it could resume.
const restartTakes = 500 * time.Millisecond

// ErrNothingToResign is of a resignation for which there is no reason; its words say why.
var ErrNothingToResign = errors.New("nothing to resign from")

// ResignVRRP speaks for a vrrp process that died as master: priority 0, so that the peer takes over at once, and its VIPs
// are taken off. It gives the names of the routers. It does so only for what the record in dir says was master in this
// boot, and while nobody holds the process' claim; with unlessResumed only if a restart could not resume all of it.
func ResignVRRP(dir string, unlessResumed bool) ([]string, error) {
	lock, _, err := vrrpClaim.take()
	if errors.Is(err, errClaimed) {
		return nil, fmt.Errorf("%w: %w, and speaks for itself (lvsd vrrp handover)", ErrNothingToResign, err)
	}
	if err != nil {
		return nil, fmt.Errorf("resign: %w", err)
	}
	if lock != nil {
		defer lock.Close()
	}
	config, err := readAccepted(dir)
	if err != nil {
		return nil, fmt.Errorf("resign: %w", err)
	}
	record, err := pair.ReadRecord(dir)
	if err != nil {
		return nil, fmt.Errorf("resign: %w", err)
	}
	boot, err := pair.Boot()
	if err != nil {
		return nil, fmt.Errorf("resign: %w", err)
	}
	switch masters, resumable := mastersOf(config, record, boot); {
	case masters == 0:
		return nil, fmt.Errorf("%w: the record has no master in this boot", ErrNothingToResign)
	case unlessResumed && restarts() && resumable == masters:
		return nil, fmt.Errorf("%w: a restart can resume", ErrNothingToResign)
	}
	names, err := pair.Resign(config, dir)
	if err != nil {
		return names, fmt.Errorf("resign: %w", err)
	}
	return names, nil
}

// mastersOf counts the routers that died as master in this boot, and those of them that a restart could resume.
func mastersOf(c *link.Config, record *pair.Record, boot string) (masters, resumable int) {
	if c == nil || record.Boot != boot {
		return 0, 0
	}
	restarted := pair.Now().Add(restartTakes)
	for i := range c.Routers {
		e, ok := record.Master(&c.Routers[i])
		if !ok {
			continue
		}
		masters++
		if e.Resumable(record.Boot, boot, restarted) {
			resumable++
		}
	}
	return masters, resumable
}

// restarts tells whether systemd will start the process again: SERVICE_RESULT of systemd.exec(5) names the results after
// which it does not, or which come of a stop that took too long.
func restarts() bool {
	switch os.Getenv("SERVICE_RESULT") {
	case "start-limit-hit", "timeout":
		return false
	}
	return true
}
