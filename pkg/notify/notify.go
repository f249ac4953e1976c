// Package notify tells people and programs what changed. Events of one subject reach one notifier in order, one at a
// time, the newest state last and never lost; states that were overtaken while it was busy are merged. Each carries an
// epoch that only grows, so that an application can refuse an older one.
package notify

import (
	"fmt"
	"strings"
	"time"
)

// Subject is who an event is about, as "vrrp:VI_1". It is comparable.
type Subject struct {
	Kind string // vrrp service server config
	Name string // of a router or group, of a service, of a server "news/198.51.100.103:80"; empty for config
}

// String gives the subject as the configuration names it.
func (s Subject) String() string {
	if s.Name == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.Name
}

// MarshalText gives what String gives.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Subject) UnmarshalText(b []byte) error {
	kind, name, _ := strings.Cut(string(b), ":")
	if _, known := subjectKinds[kind]; !known {
		return fmt.Errorf("no such kind of subject: %q", clip(kind, 40))
	}
	*s = Subject{kind, name}
	return nil
}

// Event is that the state of a subject changed.
type Event struct {
	Subject  Subject       `json:"subject"`
	Title    string        `json:"title,omitempty"`    // INSTANCE GROUP SERVICE SERVER CONFIG: {kind}
	Member   bool          `json:"member,omitempty"`   // of a router in a group: only who names it is told, others hear of the group
	State    string        `json:"state"`              // {state}: MASTER BACKUP FAULT STOP, UP DOWN, ...
	Previous string        `json:"previous,omitempty"` // the state before
	Priority int           `json:"priority,omitempty"` // {priority}: of a router, in effect; else 0
	Reason   string        `json:"reason,omitempty"`   // in words
	Peer     string        `json:"peer,omitempty"`     // of a router: the other one's address, if known
	At       time.Time     `json:"at"`                 // by the wall clock
	Mono     time.Duration `json:"mono_ns,omitempty"`  // CLOCK_BOOTTIME of At; Tell takes its own time for 0
}
