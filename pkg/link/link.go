// Package link is what the two processes of lvsd say to each other: `lvsd run`, which probes and decides, and
// `lvsd vrrp run`, which speaks VRRP and holds the VIPs. The vrrp process listens on a unix seqpacket socket; a message is
// JSON of at most MaxMessage bytes, in packets of at most MaxPacket. Each side works without the other, and either may be
// newer: fields that are not known are passed over.
package link

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/vip"
)

// Bounds of what is sent. The largest message is a Config or a State: some 60,000 VIPs fit.
const (
	MaxMessage = 4 << 20
	MaxPacket  = 64 << 10
)

// Config is everything that the vrrp process wants to know of the configuration. It is never changed once handed on.
type Config struct {
	Node    string   `json:"node"` // name of this director
	Routers []Router `json:"routers"`
}

// Router is one [[vrrp]], finished and checked.
type Router struct {
	Name         string        `json:"name"`
	Group        string        `json:"group,omitempty"` // routers of one group are master together
	Interface    string        `json:"interface"`
	ID           uint8         `json:"id"`
	Family       uint8         `json:"family"` // 4 or 6: of the adverts
	Version      uint8         `json:"version"`
	Priority     uint8         `json:"priority"` // before any reason
	Interval     time.Duration `json:"interval_ns"`
	DownAdverts  int           `json:"down_adverts"`
	Plain        bool          `json:"plain_checksum,omitempty"` // RFC 9568 5.2.8: no pseudo-header in IPv4 version 3
	Password     string        `json:"password,omitempty"`       // version 2 PASS
	Source       netip.Addr    `json:"source,omitzero"`          // zero is the interface's first address
	Peers        []netip.Addr  `json:"peers,omitempty"`          // unicast; none is multicast
	Preempt      bool          `json:"preempt,omitempty"`
	PreemptDelay time.Duration `json:"preempt_delay_ns,omitempty"`
	PeerPriority uint8         `json:"peer_priority,omitempty"`
	StartupHold  time.Duration `json:"startup_hold_ns"`
	OnLost       int           `json:"on_lost"`  // added while `lvsd run` is gone and a peer is heard
	Lease        time.Duration `json:"lease_ns"` // 0 is off
	VIPs         []vip.Address `json:"vips"`
	VMAC         bool          `json:"vmac,omitempty"`
	Announce     vip.Schedule  `json:"announce"`
	Tracks       []Track       `json:"tracks,omitempty"` // interfaces only; checks and services come as reasons
}

// Track is an interface that a router depends on.
type Track struct {
	Interface string `json:"interface"`
	Weight    int    `json:"weight,omitempty"` // 0: without it the router is in fault
}

// Reason is one thing that raises or lowers a router's priority, or forbids it to be master.
type Reason struct {
	Words  string `json:"words"`            // "check app: exit 1"
	Weight int    `json:"weight,omitempty"` // added to the priority
	Fault  bool   `json:"fault,omitempty"`  // this host should not be master
}

// Word is what `lvsd run` says: at once when it changes, and every WordEvery besides, so that silence means something.
type Word struct {
	Ready   bool                `json:"ready"`   // the first table is in the kernel, or there is no service
	Reasons map[string][]Reason `json:"reasons"` // of each router by name; whole, not what changed
}

// How `lvsd run` is believed to be there (SAFETY.md, "Link lease").
const (
	WordEvery = time.Second
	WordLease = 10 * time.Second
)

// Transition is a change of state of a group, or of a router that is in none.
type Transition struct {
	Seq      uint64        `json:"seq"` // grows by one in the life of the vrrp process's state, over restarts of `lvsd run`
	At       time.Time     `json:"at"`
	Mono     time.Duration `json:"mono_ns"` // CLOCK_BOOTTIME of At
	Group    string        `json:"group,omitempty"`
	Routers  []string      `json:"routers"`
	From     string        `json:"from"` // master, backup, fault, stopped
	To       string        `json:"to"`
	Cause    string        `json:"cause"` // in words
	Priority uint8         `json:"priority"`
	Peer     netip.Addr    `json:"peer,omitzero"` // the other one that was heard, if one was
}

// Notice is something else that `lvsd run` is to record: a VIP restored, another master, a refused packet's alarm.
type Notice struct {
	Seq    uint64    `json:"seq"` // counted with transitions
	At     time.Time `json:"at"`
	Router string    `json:"router"`
	Alarm  bool      `json:"alarm"`
	Words  string    `json:"words"`
}

// State is everything that the vrrp process knows of itself; the JSON is the stable part of `lvsd vrrp --json`.
type State struct {
	Seq      uint64        `json:"seq"`  // of the last Transition or Notice
	Boot     string        `json:"boot"` // id of this boot: Seq begins anew with another one
	Version  string        `json:"version"`
	Node     string        `json:"node"`
	PID      int           `json:"pid"`
	At       time.Time     `json:"at"`
	Started  time.Time     `json:"started"`
	Image    time.Time     `json:"image,omitzero"` // when its program began: later than Started after a re-exec
	RealTime string        `json:"real_time"`      // "fifo 50", or what it has instead and why
	Run      RunState      `json:"run"`            // how `lvsd run` fares, as seen from here
	Routers  []RouterState `json:"routers"`
}

// RunState is what the vrrp process knows of `lvsd run`.
type RunState struct {
	Heard bool          `json:"heard"`            // within WordLease
	Age   time.Duration `json:"age_ns,omitempty"` // of its last word
	Ready bool          `json:"ready"`
}

// RouterState is one router.
type RouterState struct {
	Name          string            `json:"name"`
	Group         string            `json:"group,omitempty"`
	Interface     string            `json:"interface"`
	ID            uint8             `json:"id"`
	Version       uint8             `json:"version"`
	State         string            `json:"state"`
	Resigning     bool              `json:"resigning,omitempty"` // priority 0 is sent, forwarding goes on
	Since         time.Time         `json:"since"`
	SinceMono     time.Duration     `json:"since_mono_ns"` // CLOCK_BOOTTIME of Since
	Cause         string            `json:"cause,omitempty"`
	Priority      uint8             `json:"priority"` // in effect
	Configured    uint8             `json:"configured_priority"`
	Reasons       []Reason          `json:"reasons,omitempty"` // every one that counts
	Primary       netip.Addr        `json:"primary,omitzero"`
	Peer          netip.Addr        `json:"peer,omitzero"` // last one that was heard
	PeerPriority  uint8             `json:"peer_priority,omitempty"`
	PeerHeard     time.Time         `json:"peer_heard,omitzero"`
	Interval      time.Duration     `json:"interval_ns"`        // own
	Learned       time.Duration     `json:"master_interval_ns"` // of the master
	Down          time.Duration     `json:"down_interval_ns"`   // silence after which this one takes over
	VIPs          []string          `json:"vips"`
	Holds         bool              `json:"holds_vips"`
	VIPError      string            `json:"vip_error,omitempty"`
	Lease         time.Duration     `json:"lease_ns"`
	LeaseAge      time.Duration     `json:"lease_age_ns,omitempty"` // since the last renewal
	Contested     time.Time         `json:"contested,omitzero"`     // another master was last heard then, and is not gone
	ContestedBy   string            `json:"contested_by,omitempty"` // its address and likely cause in words
	Sent          uint64            `json:"adverts_sent"`
	Heard         uint64            `json:"adverts_heard"`
	Refused       map[string]uint64 `json:"refused,omitempty"` // by reason
	Alarms        []string          `json:"alarms,omitempty"`  // in words, while they hold
	LatenessMax   time.Duration     `json:"advert_lateness_max_ns"`
	Transitions   uint64            `json:"transitions"`
	Preempt       bool              `json:"preempt"`
	PreemptDelay  time.Duration     `json:"preempt_delay_ns,omitempty"`
	WaitsForTable bool              `json:"waits_for_first_table,omitempty"`
}

// Message is one packet, in either direction. A request has an ID, and so has its reply; what a side says of itself has
// none.
type Message struct {
	ID uint64 `json:"id,omitempty"`

	// to the vrrp process
	Follow   *uint64   `json:"follow,omitempty"`   // tell every Transition and Notice after this Seq, and State every second
	Word     *Word     `json:"word,omitempty"`     // of `lvsd run`; only its own user or root may
	Ask      bool      `json:"ask,omitempty"`      // for State, once
	Prepare  *Config   `json:"prepare,omitempty"`  // would this do? Nothing changes
	Apply    *Config   `json:"apply,omitempty"`    // make it so, in place
	Reexec   *Config   `json:"reexec,omitempty"`   // make it so by the program on disk (systemctl reload)
	Handover *Handover `json:"handover,omitempty"` // the reply comes when it is over

	// from it
	OK          bool         `json:"ok,omitempty"`
	Error       string       `json:"error,omitempty"` // of a request
	Anew        bool         `json:"anew,omitempty"`  // of Reexec: another program goes on, and this connection ends
	State       *State       `json:"state,omitempty"`
	Transitions []Transition `json:"transitions,omitempty"`
	Notices     []Notice     `json:"notices,omitempty"`
}

// Handover asks to give mastership away.
type Handover struct {
	Router string `json:"router,omitempty"` // a router or a group; empty is all
	By     string `json:"by"`               // who asked, for the record
}
