package director

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Snapshot is what the director knew at one moment. Whoever was given one may keep it: it is never changed. Its JSON is
// the stable part of `lvsd status --json`: fields are added, never renamed.
type Snapshot struct {
	Name         string         `json:"name"`
	At           time.Time      `json:"at"`
	Started      time.Time      `json:"started"`
	ConfigLoaded time.Time      `json:"config_loaded"`
	Ready        bool           `json:"ready"`
	Suspect      SuspectState   `json:"suspect"`
	Services     []ServiceState `json:"services"`
	Checks       []CheckState   `json:"checks"`
}

// SuspectState tells whether the director doubts itself.
type SuspectState struct {
	Suspected bool      `json:"suspected"`
	Since     time.Time `json:"since,omitzero"`
	Words     string    `json:"words,omitempty"` // what made it doubt, or why it cannot find out
	Silent    int       `json:"silent"`          // addresses whose last try had no answer or could not be made
	Addresses int       `json:"addresses"`       // all addresses that are asked
}

// ServiceState is one virtual service.
type ServiceState struct {
	Name    string        `json:"name"`
	Virtual lvs.Key       `json:"virtual"`
	State   string        `json:"state"` // "up", "down" (quorum lost) or "pending"
	Since   time.Time     `json:"since,omitzero"`
	Weight  int           `json:"weight"` // in service, at full weight
	Quorum  int           `json:"quorum"`
	Up      int           `json:"up"`    // servers that are up
	Total   int           `json:"total"` // servers, without sorry servers
	Sorry   bool          `json:"sorry"` // a sorry server stands in
	Servers []ServerState `json:"servers"`
}

// ServerState is one real server of one virtual service.
type ServerState struct {
	Addr    netip.AddrPort `json:"address"`
	Sorry   bool           `json:"sorry,omitempty"`
	Verdict string         `json:"verdict"` // "up", "down" or "unknown": all its checks together
	Since   time.Time      `json:"since,omitzero"`
	In      bool           `json:"in"`               // in the table as decided; the kernel's own word stands beside it
	Weight  int            `json:"weight"`           // in the table as decided; 0 if it is not in
	Full    int            `json:"full_weight"`      // as configured
	Held    string         `json:"held,omitempty"`   // why it is in although no check says that it is well
	Rising  bool           `json:"rising,omitempty"` // its slow start is not over
	Admin   string         `json:"admin,omitempty"`  // "drained" or "disabled"
	Checks  []lvs.CheckID  `json:"checks,omitempty"` // all must pass
	Reason  string         `json:"reason,omitempty"` // "alive: status 503, want 200-399"
}

// CheckState is one check of one address, however many services use it.
type CheckState struct {
	Check    string         `json:"check"`
	Addr     netip.AddrPort `json:"address"`
	Verdict  string         `json:"verdict"`
	Since    time.Time      `json:"since,omitzero"`
	Streak   int            `json:"streak"` // tries in a row that spoke against the verdict
	Rise     int            `json:"rise"`
	Fall     int            `json:"fall"`
	Interval time.Duration  `json:"interval_ns"`
	Timeout  time.Duration  `json:"timeout_ns"`
	Count    uint64         `json:"tries"`
	Unasked  uint64         `json:"could_not_be_asked"`
	MaxLag   time.Duration  `json:"max_lag_ns"`
	Last     *Try           `json:"last,omitempty"`
	Tries    []Try          `json:"last_tries,omitempty"` // oldest first; only where asked for
}

// ID gives the check's identity.
func (c CheckState) ID() lvs.CheckID { return lvs.CheckID{Check: c.Check, Addr: c.Addr} }

// Try is one try of a check.
type Try struct {
	At       time.Time      `json:"at"`
	Took     time.Duration  `json:"took_ns"`
	Lag      time.Duration  `json:"lag_ns"`
	Outcome  checks.Outcome `json:"outcome"`
	Reason   string         `json:"reason"`
	Phases   checks.Phases  `json:"phases"`
	NotAfter time.Time      `json:"certificate_ends,omitzero"`
	Head     string         `json:"head,omitempty"` // first bytes of the reply, other than text escaped
}
