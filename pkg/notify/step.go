package notify

import "time"

// What is what happened to an event on its way to a notifier.
type What string

// The steps. Each event that a notifier wants is Queued, and then exactly one of Merged, Known, Dropped, or Begun with
// try 1; the others follow a Begun.
const (
	Queued    What = "queued"    // it waits to be told
	Merged    What = "merged"    // a newer event overtook it before it was told
	Known     What = "known"     // the other side has that state already: it is not told
	Dropped   What = "dropped"   // the notifier is no longer configured, or wants it no longer
	Begun     What = "begun"     // it is being told
	Ended     What = "ended"     // telling it failed; Words say how
	Killed    What = "killed"    // telling it was ended by force, and may still take effect elsewhere
	Retry     What = "retry"     // it will be told again after Took
	Confirmed What = "confirmed" // the other side took it
	Verified  What = "verified"  // the other side says that it has that state, after it had not or could not be asked
	Mismatch  What = "mismatch"  // the other side says that it has another state: alarm
	Unasked   What = "unasked"   // the other side could not be asked which state it has
)

// Step is one thing that happened to an event on its way to one notifier.
type Step struct {
	At       time.Time     `json:"time"`
	Mono     time.Duration `json:"mono_ns"` // CLOCK_BOOTTIME of At
	Notifier string        `json:"notifier"`
	Subject  Subject       `json:"subject"`
	Epoch    uint64        `json:"epoch"`
	What     What          `json:"what"`
	State    string        `json:"state"`              // that the event tells
	Previous string        `json:"previous,omitempty"` // of the event
	Reason   string        `json:"reason,omitempty"`   // of the event
	Event    time.Time     `json:"event"`              // when the event happened
	Try      int           `json:"try,omitempty"`
	Took     time.Duration `json:"took_ns,omitempty"` // of a telling; of Retry: how long until the next
	Words    string        `json:"words,omitempty"`   // how it ended, in one line
}

// Line is how far one notifier is with one subject, for status.
type Line struct {
	Notifier  string    `json:"notifier"`
	Subject   Subject   `json:"subject"`
	Waiting   []string  `json:"waiting,omitempty"`      // states not yet told, the oldest first
	Running   string    `json:"running,omitempty"`      // state that is being told
	Since     time.Time `json:"running_since,omitzero"` // and since when
	Tries     int       `json:"tries,omitempty"`        // tellings of the current state without success
	Next      time.Time `json:"next,omitzero"`          // when the current state is told again
	Confirmed string    `json:"confirmed,omitempty"`    // state that the other side took last
	Epoch     uint64    `json:"epoch,omitempty"`        // of that
	At        time.Time `json:"confirmed_at,omitzero"`  // when it did
	Unsure    bool      `json:"unsure,omitempty"`       // something else was begun since and not confirmed
	Held      bool      `json:"held,omitempty"`         // waits for word of the present state after a start
	Mismatch  string    `json:"mismatch,omitempty"`     // the state that the other side says it has, where it is another
	Failure   string    `json:"failure,omitempty"`      // how the last telling failed; empty if it did not
}
