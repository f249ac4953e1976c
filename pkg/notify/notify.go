// Package notify tells people and programs what changed. Events of one subject reach one notifier in order, one at a
// time, the newest state last and never lost; states that were overtaken while it was busy are merged. Each carries an
// epoch that only grows, so that an application can refuse an older one.
package notify

import "time"

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

// Event is that the state of a subject changed.
type Event struct {
	Subject  Subject
	Title    string        // INSTANCE GROUP SERVICE SERVER CONFIG: {kind}
	Member   bool          // of a router in a group: only who names it is told, others hear of the group
	State    string        // {state}: MASTER BACKUP FAULT STOP, UP DOWN, ...
	Previous string        // the state before
	Priority int           // {priority}: of a router, in effect; else 0
	Reason   string        // in words
	Peer     string        // of a router: the other one's address, if known
	At       time.Time     // by the wall clock
	Mono     time.Duration // by CLOCK_MONOTONIC or CLOCK_BOOTTIME, to compare with other events of this host
}
