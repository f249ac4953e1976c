package notify

import "time"

// An epoch is the start of its process in the wall clock's milliseconds, times 2^20, plus the events since. It stays below
// 2^63 until the year 2248. So it grows over restarts even where the state file is lost, and where the clock was set back
// the file keeps it growing.
const (
	epochEvents = 20
	// epochReserve is more events than can have happened since the file was written.
	epochReserve = 1 << 32
)

// firstEpoch is the number from which a new life counts: above all that lives before it can have used. kept is what the
// state file had, 0 for none.
func firstEpoch(now time.Time, kept uint64) uint64 {
	first := uint64(max(now.UnixMilli(), 0)) << epochEvents
	if kept > 0 {
		first = max(first, kept+epochReserve)
	}
	return first
}
