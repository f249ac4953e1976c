package control

import (
	"time"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/notify"
)

// Status is everything that lvsd knows of itself and of the kernel's table. Snapshot is the director's part and stands
// in the same JSON object: name, at, started, config_loaded, ready, suspect, services, checks.
type Status struct {
	director.Snapshot
	Table      []Virtual `json:"table"`                 // the kernel's, read for this status, in the order of ipvsadm
	TableError string    `json:"table_error,omitempty"` // why Table could not be read
	Kernel     Kernel    `json:"kernel"`
	Audit      Audit     `json:"audit"`
	Config     Config    `json:"config"`
	Pair       *Pair     `json:"pair,omitempty"`   // nil where the configuration has no [[vrrp]]
	Notify     []Line    `json:"notify,omitempty"` // how far each notifier is with each subject
	Process    Process   `json:"process"`
}

// Pair is what is known of the vrrp process beside this one.
type Pair struct {
	VRRP  *link.State `json:"vrrp,omitempty"`  // as last heard, at most some seconds ago; nil if it is not heard
	Error string      `json:"error,omitempty"` // why it is not
}

// Line is how far a notifier is with a subject.
type Line = notify.Line

// Kernel is how keeping the kernel's table goes.
type Kernel struct {
	LastSync  time.Time     `json:"last_sync,omitzero"`     // when the table was last seen to be as wanted
	Failing   time.Time     `json:"failing_since,omitzero"` // since when it could not be made so; zero if it could
	Error     string        `json:"error,omitempty"`        // why not
	Writes    uint64        `json:"writes"`                 // changes written since the start
	Repairs   uint64        `json:"repairs"`                // of these, changes by somebody else that were undone
	Sweep     time.Duration `json:"sweep_ns"`               // how long it takes until every service has been compared
	Contested []string      `json:"contested,omitempty"`    // what another writer keeps changing, as "tcp 192.0.2.1:80"
	Owned     int           `json:"owned_virtual_services"` // services that lvsd keeps
	Resync    time.Duration `json:"resync_ns"`              // how often the table is compared
}

// Audit is how the record goes.
type Audit struct {
	File    string    `json:"file,omitempty"`
	Error   string    `json:"error,omitempty"` // why it cannot be written now
	Failing time.Time `json:"failing_since,omitzero"`
	Lost    uint64    `json:"lost_lines"` // since it could last be written
}

// Config is which configuration holds and how the last attempt to replace it went. When it was loaded is the snapshot's
// config_loaded.
type Config struct {
	Files    []string  `json:"files"`
	Warnings []string  `json:"warnings,omitempty"`
	Refused  time.Time `json:"refused_at,omitzero"` // a later configuration was refused then, for Errors
	Errors   []string  `json:"errors,omitempty"`
}

// Process is the program that answers.
type Process struct {
	Version    string `json:"version"`
	Go         string `json:"go"`
	PID        int    `json:"pid"`
	Goroutines int    `json:"goroutines"`
}
