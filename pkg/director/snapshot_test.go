package director

import (
	"testing"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// What was known before the start is told until there is a verdict.
func TestStateOfSeed(t *testing.T) {
	for status, want := range map[health.Status]string{
		{}:                                  "",
		{Seed: lvs.Down}:                    "down",
		{Seed: lvs.Up, Streak: 1}:           "up",
		{Seed: lvs.Down, Verdict: lvs.Up}:   "",
		{Seed: lvs.Down, Verdict: lvs.Down}: "",
	} {
		c := check{status: status}
		if got := c.state(lvs.CheckID{Check: "alive"}, false); got.Before != want || got.Streak != status.Streak {
			t.Errorf("%+v: known before %q (streak %d), want %q", status, got.Before, got.Streak, want)
		}
	}
}
