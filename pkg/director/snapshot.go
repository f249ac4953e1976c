package director

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
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

	Standing map[string][]link.Reason `json:"standing,omitempty"` // of each router by name, as last said
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
	Before   string         `json:"known_before,omitempty"` // "up" or "down" before the start, while the verdict is open
	Since    time.Time      `json:"since,omitzero"`
	Streak   int            `json:"streak"` // tries in a row that spoke against the verdict, or against Before
	Rise     int            `json:"rise"`
	Fall     int            `json:"fall"`
	Interval time.Duration  `json:"interval_ns"`
	Timeout  time.Duration  `json:"timeout_ns"`
	Count    uint64         `json:"tries"`
	Unasked  uint64         `json:"could_not_be_asked"`
	MaxLag   time.Duration  `json:"max_lag_ns"`
	Next     time.Time      `json:"next,omitzero"`          // when the next try is due
	Asked    *int           `json:"weight_asked,omitempty"` // weight that the server asked for by its last good answer
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

// tryOf keeps what is worth keeping of a report. Only what was not good keeps the head of the reply.
func tryOf(r health.Report) Try {
	t := Try{
		At: r.At, Took: r.Took, Lag: r.Lag, Outcome: r.Result.Outcome, Reason: r.Result.Reason,
		Phases: r.Result.Phases, NotAfter: r.Result.NotAfter,
	}
	if r.Result.Outcome != checks.Good {
		t.Head = printable(r.Result.Head)
	}
	return t
}

// printable gives bytes as text, with what could disturb a terminal escaped.
func printable(b []byte) string {
	quoted := strconv.Quote(string(b))
	return strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", `\t`, "\t", `\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// snapshot answers an Ask.
func (d *director) snapshot(ask Ask) *Snapshot {
	if ask.Alive {
		return &Snapshot{}
	}
	wanted := func(a netip.AddrPort) bool { return !ask.Server.IsValid() || a.Addr() == ask.Server }
	suspected, words := d.suspicion.state()
	n, of, _ := d.suspicion.count(time.Now())
	snap := &Snapshot{
		Name: d.config.Name, At: time.Now(), Started: d.started, ConfigLoaded: d.loaded, Ready: d.ready,
		Suspect:  SuspectState{Suspected: suspected, Words: words, Silent: n, Addresses: of},
		Services: make([]ServiceState, 0, len(d.services)),
		Checks:   make([]CheckState, 0, len(d.checks)),
		Standing: d.standing.reasons,
	}
	if suspected {
		snap.Suspect.Since = d.suspicion.began
	}
	for _, s := range d.services {
		if state := d.serviceState(s, wanted); len(state.Servers) > 0 || !ask.Server.IsValid() {
			snap.Services = append(snap.Services, state)
		}
	}
	concerned := d.checksOf(ask.Server)
	for id, c := range d.checks {
		if wanted(id.Addr) || concerned[id] {
			snap.Checks = append(snap.Checks, c.state(id, ask.Tries))
		}
	}
	slices.SortFunc(snap.Checks, func(a, b CheckState) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), a.Addr.Compare(b.Addr))
	})
	return snap
}

// checksOf gives the checks that speak for a server, whatever address they ask; none for no server.
func (d *director) checksOf(server netip.Addr) map[lvs.CheckID]bool {
	ids := map[lvs.CheckID]bool{}
	if !server.IsValid() {
		return ids
	}
	for _, s := range d.services {
		for _, servers := range [][]plan.Server{s.virtual.Servers, s.virtual.Sorry} {
			for _, one := range servers {
				if one.Addr.Addr() != server {
					continue
				}
				for _, id := range one.Checks {
					ids[id] = true
				}
			}
		}
	}
	return ids
}

func (d *director) serviceState(s *service, wanted func(netip.AddrPort) bool) ServiceState {
	state := ServiceState{
		Name: s.virtual.Name, Virtual: s.virtual.Key, State: s.state.Quorum.String(), Since: s.since,
		Weight: s.state.Weight, Quorum: s.virtual.Quorum, Total: len(s.virtual.Servers),
	}
	specs := slices.Concat(s.virtual.Servers, s.virtual.Sorry)
	for i, st := range s.state.Servers {
		if !st.Sorry && st.Verdict == lvs.Up && st.Admin == lvs.Enabled {
			state.Up++
		}
		state.Sorry = state.Sorry || st.Sorry && st.In
		if !wanted(st.Addr) {
			continue
		}
		set, there := s.state.Entry.Servers[st.Addr]
		server := ServerState{
			Addr: st.Addr, Sorry: st.Sorry, Verdict: st.Verdict.String(), Since: st.Since,
			In: there && (st.In || !st.Sorry), Weight: set.Weight, Full: specs[i].Set.Weight,
			Held: st.Held.String(), Rising: !st.Rising.IsZero(), Checks: specs[i].Checks, Reason: d.word(s, st),
		}
		if st.Admin != lvs.Enabled {
			server.Admin = st.Admin.String()
		}
		state.Servers = append(state.Servers, server)
	}
	return state
}

func (c *check) state(id lvs.CheckID, tries bool) CheckState {
	state := CheckState{
		Check: id.Check, Addr: id.Addr, Verdict: c.status.Verdict.String(), Since: c.status.Since, Streak: c.status.Streak,
		Rise: c.spec.Policy.Rise, Fall: c.spec.Policy.Fall, Interval: c.spec.Interval, Timeout: c.spec.Timeout,
		Count: c.count, Unasked: c.unasked, MaxLag: c.maxLag, Next: c.next, Asked: c.weight,
	}
	if c.status.Verdict == lvs.Unknown && c.status.Seed != lvs.Unknown {
		state.Before = c.status.Seed.String()
	}
	if last := c.last(); last != nil {
		t := *last
		state.Last = &t
	}
	if tries {
		state.Tries = slices.Clone(c.tries)
	}
	return state
}
