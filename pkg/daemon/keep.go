package daemon

import (
	"fmt"
	"time"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// How verdicts reach the disk: the newest, at most one write under way; a write that failed again after a while.
const (
	verdictsRetry = 30 * time.Second
	verdictsAgain = time.Hour
)

// keepVerdicts makes the function that writes verdicts into a state directory. What cannot be written is told once.
func (d *daemon) keepVerdicts(dir string) func(map[lvs.CheckID]director.Known, bool) error {
	failed := ""
	return func(known map[lvs.CheckID]director.Known, fresh bool) error {
		if !fresh {
			return nil
		}
		err := writeVerdicts(dir, known)
		words := ""
		if err != nil {
			words = err.Error()
		}
		if words != failed && err != nil {
			d.world.Log.Warn().Err(err).Msg("verdicts not kept; after a restart the first try of every check decides")
		}
		failed = words
		return err
	}
}

// within waits for a part to end.
func within(done <-chan struct{}, part string) error {
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-done:
		return nil
	case <-limit.C:
		return fmt.Errorf("stop: %s did not end within %v", part, stopTimeout)
	}
}
