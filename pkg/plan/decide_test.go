package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// The rows speak in letters: A to D are real servers, S and T sorry servers. A table is "A=1 S=1" (server=weight);
// verdicts are "A+ B- C?" (up, down, unknown), the later in the list the later it came.

func addr(letter byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, letter}), 80)
}

func letter(a netip.AddrPort) string { b := a.Addr().As4(); return string(b[3]) }

func checkOf(l byte) lvs.CheckID { return lvs.CheckID{Check: "alive", Addr: addr(l)} }

func servers(letters string) []Server {
	var list []Server
	for i := range len(letters) {
		list = append(list, Server{
			Addr:   addr(letters[i]),
			Set:    lvs.Server{Forward: lvs.DR, Weight: 1},
			Checks: []lvs.CheckID{checkOf(letters[i])},
		})
	}
	return list
}

func entry(table string) lvs.Entry {
	e := lvs.Entry{Servers: map[netip.AddrPort]lvs.Server{}}
	for _, f := range strings.Fields(table) {
		w, err := strconv.Atoi(f[2:])
		if err != nil {
			panic(err)
		}
		e.Servers[addr(f[0])] = lvs.Server{Forward: lvs.DR, Weight: w}
	}
	return e
}

func show(e lvs.Entry) string {
	var list []string
	for a, s := range e.Servers {
		list = append(list, fmt.Sprintf("%s=%d", letter(a), s.Weight))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func health(verdicts string) func(lvs.CheckID) Health {
	known := map[lvs.CheckID]Health{}
	for i, f := range strings.Fields(verdicts) {
		v := map[byte]lvs.Verdict{'+': lvs.Up, '-': lvs.Down, '?': lvs.Unknown}[f[1]]
		h := Health{Verdict: v, Since: start.Add(time.Duration(i) * time.Second)}
		if len(f) > 2 {
			w, err := strconv.Atoi(f[2:])
			if err != nil {
				panic(err)
			}
			h.Weight = &w
		}
		known[checkOf(f[0])] = h
	}
	return func(id lvs.CheckID) Health { return known[id] }
}

func held(s State) string {
	var list []string
	for _, st := range s.Servers {
		if st.Held != NotHeld {
			list = append(list, letter(st.Addr)+" "+st.Held.String())
		}
	}
	return strings.Join(list, "; ")
}

type row struct {
	name     string
	v        Virtual
	real     string // default ABCD
	sorry    string
	before   string // the table before
	quorum   Quorum // before
	verdicts string
	admin    map[byte]lvs.Admin
	withhold bool

	want       string
	wantQuorum Quorum
	wantHeld   string
}

func (r row) run(t *testing.T) {
	t.Helper()
	v := r.v
	if r.real == "" {
		r.real = "ABCD"
	}
	v.Servers, v.Sorry = servers(r.real), servers(r.sorry)
	if v.Quorum == 0 {
		v.Quorum = 1
	}
	in := Input{Now: start, Health: health(r.verdicts), Withhold: r.withhold, Admin: func(_ string, a netip.AddrPort) lvs.Admin {
		return r.admin[letter(a)[0]]
	}}
	got := Decide(v, State{Entry: entry(r.before), Quorum: r.quorum}, in)
	if table := show(got.Entry); table != r.want {
		t.Errorf("table %q, want %q", table, r.want)
	}
	if got.Quorum != r.wantQuorum {
		t.Errorf("quorum %v, want %v", got.Quorum, r.wantQuorum)
	}
	if h := held(got); h != r.wantHeld {
		t.Errorf("held %q, want %q", h, r.wantHeld)
	}
	in.Now = start.Add(time.Hour)
	if again := Decide(v, got, in); show(again.Entry) != show(got.Entry) || held(again) != held(got) {
		t.Errorf("the same input decides otherwise the second time: %q, then %q", show(got.Entry), show(again.Entry))
	}
}

func TestFirstTable(t *testing.T) {
	for _, r := range []row{
		{name: "nothing known, nothing there: nothing goes in", want: ""},
		{
			name: "nothing known, a table there: it stays with its weights", before: "A=1 B=7", want: "A=1 B=7",
			wantQuorum: Reached, wantHeld: "A held until its first verdict; B held until its first verdict",
		},
		{name: "the first good verdict puts a server in", verdicts: "B+", want: "B=1", wantQuorum: Reached},
		{name: "a first bad verdict takes out only its own server", before: "A=1 B=1", verdicts: "A-", want: "B=1", wantQuorum: Reached, wantHeld: "B held until its first verdict"},
		{name: "a bad verdict puts nothing in", verdicts: "A- B- C- D-", want: "", wantQuorum: Lost},
		{name: "a known server takes the configured weight", before: "A=7", verdicts: "A+", want: "A=1", wantQuorum: Reached},
		{name: "a server that the configuration dropped goes", real: "A", before: "A=1 B=1", verdicts: "A+", want: "A=1", wantQuorum: Reached},
		{name: "a quiesced server stays quiesced until its first verdict", v: Virtual{OnDown: Quiesce}, before: "A=0 B=1", want: "A=0 B=1", wantQuorum: Reached, wantHeld: "A held until its first verdict; B held until its first verdict"},
		{name: "sorry stays in while the real servers are unknown", sorry: "S", before: "S=1", verdicts: "S+", want: "S=1", wantQuorum: Lost},
		{name: "sorry stays in while it is unknown itself", sorry: "S", before: "S=1", want: "S=1", wantQuorum: Lost, wantHeld: "S held until its first verdict"},
		{name: "sorry in an adopted table: hysteresis holds over a restart", v: Virtual{Quorum: 2, Hysteresis: 1}, sorry: "S", before: "S=1", verdicts: "A+ B+ C- D- S+", want: "S=1", wantQuorum: Lost},
		{name: "servers quiesced before the start may still turn out well", v: Virtual{OnDown: Quiesce}, sorry: "S", before: "A=0 B=0 C=0 D=0", verdicts: "S+", want: "A=0 B=0 C=0 D=0", wantHeld: "A held until its first verdict; B held until its first verdict; C held until its first verdict; D held until its first verdict"},
		{name: "sorry does not come in while the real servers are unknown", sorry: "S", verdicts: "S+ A-", want: ""},
	} {
		t.Run(r.name, r.run)
	}
}

func TestOnDown(t *testing.T) {
	for _, r := range []row{
		{name: "remove", before: "A=1 B=1", verdicts: "A+ B- C- D-", want: "A=1", wantQuorum: Reached},
		{name: "quiesce", v: Virtual{OnDown: Quiesce}, before: "A=1 B=1", verdicts: "A+ B- C- D-", want: "A=1 B=0", wantQuorum: Reached},
		{name: "a quiesced server comes back", v: Virtual{OnDown: Quiesce}, before: "A=1 B=0", verdicts: "A+ B+ C- D-", want: "A=1 B=1", wantQuorum: Reached},
		{name: "a check sets the weight", before: "A=1 B=1", verdicts: "A+ B+5 C- D-", want: "A=1 B=5", wantQuorum: Reached},
		{name: "a check may ask for no connections", before: "A=1 B=1", verdicts: "A+ B+0 C- D-", want: "A=1 B=0", wantQuorum: Reached},
		{name: "drained: weight 0, kept", before: "A=1 B=1", verdicts: "A+ B+", admin: map[byte]lvs.Admin{'B': lvs.Drained}, want: "A=1 B=0", wantQuorum: Reached},
		{name: "disabled: out", before: "A=1 B=1", verdicts: "A+ B+", admin: map[byte]lvs.Admin{'B': lvs.Disabled}, want: "A=1", wantQuorum: Reached},
	} {
		t.Run(r.name, r.run)
	}
}

// TestQuorumMinUpSorry shows the three together, case by case.
func TestQuorumMinUpSorry(t *testing.T) {
	half := Virtual{MinUp: 50}
	two := Virtual{Quorum: 2}
	all := "A=1 B=1 C=1 D=1"
	for _, r := range []row{
		// min_up alone
		{name: "min_up: one of four may go", v: half, before: all, verdicts: "A+ B+ C+ D-", want: "A=1 B=1 C=1", wantQuorum: Reached},
		{name: "min_up: two of four may go", v: half, before: all, verdicts: "A+ B+ C- D-", want: "A=1 B=1", wantQuorum: Reached},
		{name: "min_up: the third is held, the one that failed last", v: half, before: all, verdicts: "A+ B- D- C-", want: "A=1 C=1", wantQuorum: Reached, wantHeld: "C held by min_up"},
		{name: "min_up: a server once out is not put back", v: half, before: "A=1", verdicts: "A+ B- C- D-", want: "A=1", wantQuorum: Reached},
		{name: "min_up: all down, none to stand in: half stay", v: half, before: all, verdicts: "A- B- C- D-", want: "C=1 D=1", wantQuorum: Lost, wantHeld: "C held by min_up; D held by min_up"},
		{name: "min_up: what is held goes when enough are back", v: half, before: "A=1 C=1", verdicts: "A+ B+ C- D-", want: "A=1 B=1", wantQuorum: Reached},
		{name: "min_up: servers held until their first verdict are in", v: half, before: all, verdicts: "A? B? C- D-", want: "A=1 B=1", wantQuorum: Reached, wantHeld: "A held until its first verdict; B held until its first verdict"},
		{name: "min_up: drained and disabled ones are not counted", v: half, before: all, verdicts: "A+ B- C+ D+", admin: map[byte]lvs.Admin{'C': lvs.Drained, 'D': lvs.Disabled}, want: "A=1 C=0", wantQuorum: Reached},
		{name: "min_up: 100% takes nobody out", v: Virtual{MinUp: 100}, before: all, verdicts: "A+ B- C- D+", want: all, wantQuorum: Reached, wantHeld: "B held by min_up; C held by min_up"},
		{name: "min_up: rounds up", v: Virtual{MinUp: 30}, before: all, verdicts: "A+ B- C- D-", want: "A=1 D=1", wantQuorum: Reached, wantHeld: "D held by min_up"},
		{name: "min_up with quiesce", v: Virtual{MinUp: 50, OnDown: Quiesce}, before: all, verdicts: "A+ B- C- D-", want: "A=1 B=0 C=0 D=1", wantQuorum: Reached, wantHeld: "D held by min_up"},

		// sorry alone
		{name: "sorry: one real server is enough", sorry: "S", before: all, verdicts: "A+ B- C- D- S+", want: "A=1", wantQuorum: Reached},
		{name: "sorry: in when the last one goes", sorry: "S", before: "A=1", quorum: Reached, verdicts: "A- B- C- D- S+", want: "S=1", wantQuorum: Lost},
		{name: "sorry: out when the first is back", sorry: "S", before: "S=1", quorum: Lost, verdicts: "A+ B- C- D- S+", want: "A=1", wantQuorum: Reached},
		{name: "sorry: not before its first good verdict", sorry: "S", before: "A=1", verdicts: "A- B- C- D- S?", want: "", wantQuorum: Lost},
		{name: "sorry: a dead one helps nobody", sorry: "ST", before: "A=1", verdicts: "A- B- C- D- S- T+", want: "T=1", wantQuorum: Lost},
		{name: "sorry: leaves when it dies itself", sorry: "S", before: "S=1", quorum: Lost, verdicts: "A- B- C- D- S-", want: "", wantQuorum: Lost},
		{name: "sorry: quiesced servers keep their connections", sorry: "S", v: Virtual{OnDown: Quiesce}, before: "A=1 B=0", verdicts: "A- B- C- D- S+", want: "A=0 B=0 S=1", wantQuorum: Lost},

		// quorum alone, with hysteresis
		{name: "quorum: exactly enough", v: two, before: all, verdicts: "A+ B+ C- D-", want: "A=1 B=1", wantQuorum: Reached},
		{name: "quorum: lost, but without sorry the rest goes on", v: two, before: all, quorum: Reached, verdicts: "A+ B- C- D-", want: "A=1", wantQuorum: Lost},
		{name: "quorum: an unknown server keeps it open", v: two, before: "A=1", verdicts: "A+ B?", want: "A=1", wantQuorum: Pending},
		{name: "quorum: an unknown server does not lose it", v: two, before: "A=1", quorum: Reached, verdicts: "A+ B? C- D-", want: "A=1", wantQuorum: Reached},
		{name: "quorum: counts weight, not heads", v: two, before: "A=1", verdicts: "A+2 B- C- D-", want: "A=2", wantQuorum: Reached},
		{name: "hysteresis: enough is not yet enough to come back", v: Virtual{Quorum: 2, Hysteresis: 1}, before: "A=1 B=1", quorum: Lost, verdicts: "A+ B+ C- D-", want: "A=1 B=1", wantQuorum: Lost},
		{name: "hysteresis: back with one above", v: Virtual{Quorum: 2, Hysteresis: 1}, before: "A=1 B=1", quorum: Lost, verdicts: "A+ B+ C+ D-", want: "A=1 B=1 C=1", wantQuorum: Reached},
		{name: "hysteresis: does not lose what is reached", v: Virtual{Quorum: 2, Hysteresis: 1}, before: "A=1 B=1", quorum: Reached, verdicts: "A+ B+ C- D-", want: "A=1 B=1", wantQuorum: Reached},

		// together
		{name: "quorum and sorry: too few left, sorry takes all", v: two, sorry: "S", before: all, verdicts: "A+ B- C- D- S+", want: "S=1", wantQuorum: Lost},
		{name: "quorum and sorry: a dead sorry takes nothing", v: two, sorry: "S", before: all, verdicts: "A+ B- C- D- S-", want: "A=1", wantQuorum: Lost},
		{name: "quorum, hysteresis and sorry: sorry stays until enough are back", v: Virtual{Quorum: 2, Hysteresis: 1}, sorry: "S", before: "S=1", quorum: Lost, verdicts: "A+ B+ C- D- S+", want: "S=1", wantQuorum: Lost},
		{name: "min_up and sorry: all down, sorry wins", v: half, sorry: "S", before: all, verdicts: "A- B- C- D- S+", want: "S=1", wantQuorum: Lost},
		{name: "min_up and sorry: all down, sorry dead: min_up holds", v: half, sorry: "S", before: all, verdicts: "A- B- C- D- S-", want: "C=1 D=1", wantQuorum: Lost, wantHeld: "C held by min_up; D held by min_up"},
		{name: "min_up and sorry: one up: min_up holds, no sorry", v: half, sorry: "S", before: all, verdicts: "A+ B- C- D- S+", want: "A=1 D=1", wantQuorum: Reached, wantHeld: "D held by min_up"},
		{name: "min_up and quorum: a held server is no weight in service", v: Virtual{MinUp: 50, Quorum: 2}, before: all, verdicts: "A+ B- C- D-", want: "A=1 D=1", wantQuorum: Lost, wantHeld: "D held by min_up"},
		{name: "all three: quorum lost, sorry takes what min_up held", v: Virtual{MinUp: 50, Quorum: 2}, sorry: "S", before: all, verdicts: "A+ B- C- D- S+", want: "S=1", wantQuorum: Lost},
	} {
		t.Run(r.name, r.run)
	}
}

func TestSuspicion(t *testing.T) {
	for _, r := range []row{
		{name: "nothing is taken out", before: "A=1 B=1", quorum: Reached, verdicts: "A- B- C- D-", withhold: true, want: "A=1 B=1", wantQuorum: Reached, wantHeld: "A held: the director suspects itself; B held: the director suspects itself"},
		{name: "no sorry server comes in", sorry: "S", before: "A=1", quorum: Reached, verdicts: "A- B- C- D- S+", withhold: true, want: "A=1", wantQuorum: Reached, wantHeld: "A held: the director suspects itself"},
		{name: "a sorry server that is in stays", sorry: "S", before: "S=1", quorum: Lost, verdicts: "A- B- C- D- S-", withhold: true, want: "S=1", wantQuorum: Lost, wantHeld: "S held: the director suspects itself"},
		{name: "what comes back is put in", before: "A=1", quorum: Reached, verdicts: "A- B+ C- D-", withhold: true, want: "A=1 B=1", wantQuorum: Reached, wantHeld: "A held: the director suspects itself"},
		{name: "sorry goes on standing in for too few", v: Virtual{Quorum: 2}, sorry: "S", before: "S=1", quorum: Lost, verdicts: "A+ B- C- D- S+", withhold: true, want: "S=1", wantQuorum: Lost, wantHeld: "S held: the director suspects itself"},
		{name: "a quiesced server is not held", v: Virtual{OnDown: Quiesce}, before: "A=1 B=0", quorum: Reached, verdicts: "A+ B- C- D-", withhold: true, want: "A=1 B=0", wantQuorum: Reached},
		{name: "what was out stays out", before: "A=1", quorum: Reached, verdicts: "A+ B- C- D-", withhold: true, want: "A=1", wantQuorum: Reached},
		{name: "an operator's word still holds", before: "A=1 B=1", quorum: Reached, verdicts: "A- B-", admin: map[byte]lvs.Admin{'B': lvs.Disabled}, withhold: true, want: "A=1", wantQuorum: Reached, wantHeld: "A held: the director suspects itself"},
	} {
		t.Run(r.name, r.run)
	}
}

func TestSlowStart(t *testing.T) {
	v := Virtual{Quorum: 1, SlowStart: 100 * time.Second, Servers: servers("AB")}
	v.Servers[0].Set.Weight, v.Servers[1].Set.Weight = 100, 100
	s := State{}
	step := func(after time.Duration, verdicts, want string, next time.Duration, finish bool) {
		t.Helper()
		s = Decide(v, s, Input{Now: start.Add(after), Health: health(verdicts), Finish: finish})
		if got := show(s.Entry); got != want {
			t.Errorf("after %v: %q, want %q", after, got, want)
		}
		got := time.Duration(0)
		if !s.Next.IsZero() {
			got = s.Next.Sub(start)
		}
		if got != next {
			t.Errorf("after %v: next decision at %v, want %v", after, got, next)
		}
	}
	step(0, "", "", 0, false)
	step(1*time.Second, "A+ B+", "A=100 B=100", 0, false) // lvsd's own start ramps nothing
	step(10*time.Second, "A+ B-", "A=100", 0, false)
	step(100*time.Second, "A+ B+", "A=100 B=1", 105*time.Second, false)
	step(104*time.Second, "A+ B+", "A=100 B=1", 105*time.Second, false)
	step(105*time.Second, "A+ B+", "A=100 B=5", 110*time.Second, false)
	step(150*time.Second, "A+ B+", "A=100 B=50", 155*time.Second, false)
	step(151*time.Second, "A+ B+", "A=100 B=100", 0, true) // stop leaves full weights
	step(160*time.Second, "A+ B-", "A=100", 0, false)
	step(170*time.Second, "A+ B+", "A=100 B=1", 175*time.Second, false)
	step(180*time.Second, "A+ B-", "A=100", 0, false) // down on the way up ends it
	step(190*time.Second, "A+ B+", "A=100 B=1", 195*time.Second, false)
	step(290*time.Second, "A+ B+", "A=100 B=100", 0, false)
	v.Servers = append(v.Servers, servers("C")...)
	step(300*time.Second, "A+ B+ C?", "A=100 B=100", 0, false)
	v.Servers[2].Set.Weight = 10
	step(301*time.Second, "A+ B+ C+", "A=100 B=100 C=1", 306*time.Second, false) // a server that is new to the service ramps
}

// min_up holds who failed last; that another check of a server passed meanwhile says nothing of that.
func TestFailedLast(t *testing.T) {
	v := Virtual{Quorum: 1, MinUp: 50, Servers: servers("AB")}
	deep := func(l byte) lvs.CheckID { return lvs.CheckID{Check: "deep", Addr: addr(l)} }
	for i, l := range []byte("AB") {
		v.Servers[i].Checks = append(v.Servers[i].Checks, deep(l))
	}
	known := map[lvs.CheckID]Health{
		checkOf('A'): {Verdict: lvs.Down, Since: start},
		deep('A'):    {Verdict: lvs.Up, Since: start.Add(time.Hour)},
		checkOf('B'): {Verdict: lvs.Down, Since: start.Add(time.Minute)},
		deep('B'):    {Verdict: lvs.Up, Since: start},
	}
	in := Input{Now: start.Add(2 * time.Hour), Health: func(id lvs.CheckID) Health { return known[id] }}
	if got := show(Decide(v, State{Entry: entry("A=1 B=1")}, in).Entry); got != "B=1" {
		t.Errorf("held %q, want B, which failed last", got)
	}
}

// A decision costs as much for each server of a large service as for each of a small one.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			v := Virtual{Quorum: 1}
			for i := range n {
				a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80)
				v.Servers = append(v.Servers, Server{Addr: a, Set: lvs.Server{Weight: 1}, Checks: []lvs.CheckID{{Check: "a", Addr: a}}})
			}
			in := Input{Now: start, Health: func(lvs.CheckID) Health { return Health{Verdict: lvs.Up} }}
			s := Decide(v, State{}, in)
			for b.Loop() {
				s = Decide(v, s, in)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(n), "ns/server")
		})
	}
}

func TestAllChecksMustPass(t *testing.T) {
	v := Virtual{Quorum: 1, Servers: servers("A")}
	v.Servers[0].Checks = []lvs.CheckID{checkOf('A'), checkOf('B')}
	for verdicts, want := range map[string]string{
		"A+ B+": "A=1", "A+ B?": "", "A+ B-": "", "A- B+": "", "A? B-": "",
	} {
		if got := show(Decide(v, State{}, Input{Now: start, Health: health(verdicts)}).Entry); got != want {
			t.Errorf("%s: %q, want %q", verdicts, got, want)
		}
	}
	v.Servers[0].Checks = nil
	if got := show(Decide(v, State{}, Input{Now: start, Health: health("")}).Entry); got != "A=1" {
		t.Errorf("without checks: %q, want it in", got)
	}
}

// TestSince tells how long a server has been where it is: a decision that changes nothing leaves it alone.
func TestSince(t *testing.T) {
	v := Virtual{Quorum: 1, Servers: servers("A")}
	s := State{}
	for _, r := range []struct {
		at       int
		verdicts string
		since    int
	}{{0, "", 0}, {5, "A+", 5}, {9, "A+", 5}, {12, "A-", 12}, {20, "A-", 12}} {
		s = Decide(v, s, Input{Now: start.Add(time.Duration(r.at) * time.Second), Health: health(r.verdicts)})
		if got := s.Servers[0].Since.Sub(start); got != time.Duration(r.since)*time.Second {
			t.Errorf("at %d s with %q: since %v, want %d s", r.at, r.verdicts, got, r.since)
		}
	}
}
