// Package audit keeps the record of what lvsd decided and did: one JSON object a line, in a file that it rotates. The
// record is for people who ask afterwards why a server was out; it is not a log.
//
// Log writes it and never makes its callers wait. A batch of lines is one write(2), so what was handed to the kernel
// outlives a kill -9 of the process; it is not synced to the disk, so the last seconds can go with a power cut. A line
// that a full disk or a crash cut in half is closed with a newline before the next one, and Read reports it.
//
// Rotation is our own rather than a library's (timberjack, lumberjack): an append-only record needs O_APPEND, reopening,
// repair of torn lines and a retry that keeps what could not be written, and those libraries have none of them.
package audit

import "time"

// Entry is one line of the record. Its fields are flat and stable: changing one is a breaking change. Empty ones are
// left out.
type Entry struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`             // what kind: see the Event constants
	Actor   string    `json:"actor,omitempty"`   // who caused it: check, operator, reload, drift, start, stop, lvsd, vrrp, notify
	UID     *uint32   `json:"uid,omitempty"`     // of an operator, from the socket
	Service string    `json:"service,omitempty"` // name in the configuration
	Virtual string    `json:"virtual,omitempty"` // as "tcp 192.0.2.1:80"
	Server  string    `json:"server,omitempty"`  // as "10.0.0.1:80"
	Check   string    `json:"check,omitempty"`   // name in the configuration
	Router  string    `json:"router,omitempty"`  // name of a VRRP instance, or of a group
	Subject string    `json:"subject,omitempty"` // of EventNotify: who it was about, as "vrrp:VI_1"
	Told    string    `json:"told,omitempty"`    // of EventNotify: the notifier's name
	Epoch   uint64    `json:"epoch,omitempty"`   // of EventNotify: it only grows, for one subject
	Mono    int64     `json:"mono_ns,omitempty"` // by this host's clock that never steps, where order matters
	From    string    `json:"from,omitempty"`    // state or setting before
	To      string    `json:"to,omitempty"`      // and after
	Command string    `json:"command,omitempty"` // the kernel change as ipvsadm would be told it
	Reason  string    `json:"reason,omitempty"`  // why, in one line, with the probe's evidence
	Error   string    `json:"error,omitempty"`   // what went wrong, where something did
	Lost    int       `json:"lost,omitempty"`    // of EventLost: how many lines were not written
}

// The kinds of entries.
const (
	EventCheck   = "check"   // the verdict of a check changed
	EventServer  = "server"  // a server's place in a service changed
	EventService = "service" // quorum lost or reached, sorry server in or out
	EventTable   = "table"   // a change of the kernel table, or one that the kernel refused
	EventDrift   = "drift"   // the kernel table was not as lvsd left it
	EventSuspect = "suspect" // the director began or ceased to doubt itself
	EventVRRP    = "vrrp"    // a router of VRRP changed its state, or something about it wants to be known
	EventNotify  = "notify"  // somebody was told of a change, was not, or a newer change overtook it
	EventConfig  = "config"  // a configuration was loaded or refused
	EventDaemon  = "daemon"  // start, ready, stop
	EventLost    = "lost"    // lines that could not be written
)
