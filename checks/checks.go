// Package checks holds the ways to ask a real server whether it is well. One file is one kind of check; what they share
// is the contract here. See README.md beside this file for how to add one.
package checks

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// A Checker is its configuration and nothing more: a struct of exported fields, decoded from the check's table in the
// TOML by its toml tags. Two that are deeply equal check the same thing. It holds no clients, caches, locks or open
// files. Check is called from many goroutines at once.
type Checker interface {
	// Check makes one try and returns when it is decided or ctx is done, whichever comes first; ctx carries the one
	// deadline of the whole try. What the server sends is bounded in size and read as untrusted.
	Check(ctx context.Context, t Target) Result
}

// Validator is a Checker that can say what is wrong with its configuration. Every error names the key it is about.
type Validator interface {
	Validate() []FieldError
}

// FieldError is one mistake in a check's table: the key as written in the TOML, and what is wrong with its value.
type FieldError struct {
	Key string
	Err error
}

// Error gives "key: what is wrong".
func (e FieldError) Error() string { return fmt.Sprintf("%s: %v", e.Key, e.Err) }

// Unwrap gives what is wrong.
func (e FieldError) Unwrap() error { return e.Err }

// Target is whom a try asks, and how its packets leave this host.
type Target struct {
	Check          string // name of the check in the configuration, for kinds that run programs
	Addr           netip.AddrPort
	Mark           uint32        // SO_MARK of the probe's socket; 0 is none
	Source         netip.Addr    // own address to send from; zero is the kernel's choice
	Interface      string        // SO_BINDTODEVICE; empty is any
	ConnectTimeout time.Duration // bound on the connection alone; 0 is the deadline of the whole try
	Told           Told
}

// Told is what a program that is run as a check is told of its host; a Spec has none, each try gets its own.
type Told struct {
	Verdict string // up, down; empty is unknown: of this check before the try
	Role    string // master, backup, fault; empty is none: of this director in VRRP
}

// env gives it as a program's environment.
func (t Told) env() []string {
	return []string{"LVSD_VERDICT=" + cmp.Or(t.Verdict, "unknown"), "LVSD_VRRP_STATE=" + cmp.Or(t.Role, "none")}
}

// Outcome is how a try ended. SAFETY.md says what each may do.
type Outcome uint8

// The ways a try can end. NotAsked is an error of this host (descriptors, ports, route, a script that cannot run): it
// never counts to fall and never raises a server.
const (
	NotAsked Outcome = iota
	Good
	BadAnswer
	Refused  // refused, reset or unreachable by ICMP: the path is proven, the server is not there
	NoAnswer // nothing, or not all of it, in time
)

// String gives the outcome in the words of status and audit.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

var outcomes = [...]string{"could not be asked", "good", "bad answer", "refused", "no answer"}

// MarshalText gives the outcome's words.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Outcome) UnmarshalText(b []byte) error {
	i := slices.Index(outcomes[:], string(b))
	if i < 0 {
		return fmt.Errorf("no such outcome: %q", b)
	}
	*o = Outcome(i)
	return nil
}

// Phases are how long the parts of a try took; zero where a kind has no such part or it was not reached. Each is counted
// from the start of the try, so that they only grow.
type Phases struct {
	Connect   time.Duration `json:"connect_ns,omitempty"`
	TLS       time.Duration `json:"tls_ns,omitempty"`
	FirstByte time.Duration `json:"first_byte_ns,omitempty"`
	Done      time.Duration `json:"done_ns,omitempty"`
}

// Result is what a try found. Reason is one line of at most 200 bytes, without control characters, fit for an operator
// at night: "status 200", "status 503, want 200-399", "connection refused", "no answer within 2s (connected, request sent)".
type Result struct {
	Outcome   Outcome
	Reason    string
	Weight    *int      // weight that the server asks for, where the kind knows one
	NotAfter  time.Time // end of the server's certificate, where one was seen
	Phases    Phases
	Head      []byte // first bytes of the reply or output, at most HeadSize, as they came
	Truncated bool   // the reply was longer than what was read
}

// HeadSize bounds Result.Head.
const HeadSize = 512

// kinds are the check types and their defaults, by the name that `type` gives them.
var kinds = map[string]func() Checker{
	"http": func() Checker { return &HTTP{Path: "/", Method: "GET", Status: "200-399", MaxBody: "64KB"} },
	"https": func() Checker {
		return &HTTPS{HTTP: HTTP{Path: "/", Method: "GET", Status: "200-399", MaxBody: "64KB"}, TLS: TLS{Verify: true}}
	},
	"script": func() Checker { return &Script{} },
	"tcp":    func() Checker { return &TCP{} },
	"tls":    func() Checker { return &TLS{Verify: true} },
}

// New makes the Checker of a type with its defaults, and reports whether there is such a type.
func New(kind string) (Checker, bool) {
	f, ok := kinds[kind]
	if !ok {
		return nil, false
	}
	return f(), true
}

// Keys lists the keys that a Checker's table may have beside those that all checks share, sorted: the toml tags of its
// struct and of those that it embeds.
func Keys(c Checker) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(c).Elem()) {
		if key, ok := f.Tag.Lookup("toml"); ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Kinds lists the check types, sorted.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
