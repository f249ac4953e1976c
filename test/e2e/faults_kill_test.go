package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// pool is a service of six servers at one VIP, looked at often.
const pool = `
[check.alive]
type     = "http"
interval = "200ms"
timeout  = "1s"

[[service]]
name      = "pool"
vips      = ["198.51.100.10"]
ports     = [80]
scheduler = "rr"
checks    = ["alive"]
servers   = [
  "198.51.100.103", "198.51.100.104", "198.51.100.105",
  "198.51.100.106", "198.51.100.107", "198.51.100.108",
]
`

const virtual = "198.51.100.10:80"

// allowed is how long a server's past may explain a move in the kernel: fall x interval + timeout, and a second for a
// machine that is busy.
const allowed = 2*200*time.Millisecond + time.Second + time.Second

// farm is a director before six servers: three always good, one always bad, two that flip.
type farm struct {
	t        *testing.T
	site     *lab.Site
	d        *director
	web      []*lab.WebServer
	past     map[netip.Addr]*history
	random   *rand.Rand
	quit     chan struct{}
	flipping chan struct{}
}

func newFarm(t *testing.T, seed uint64) *farm {
	t.Helper()
	t.Logf("seed %d", seed)
	f := &farm{
		t: t, site: lab.OneBridge(t, lab.Size{Servers: 6}), past: map[netip.Addr]*history{}, random: rand.New(rand.NewPCG(seed, 0)),
		quit: make(chan struct{}), flipping: make(chan struct{}),
	}
	for i, h := range f.site.Servers {
		w := h.Web(lab.WebConfig{})
		if i == 3 {
			w.Set(lab.Status(503))
		}
		f.web = append(f.web, w)
		f.past[h.Address()] = newHistory(i != 3)
	}
	f.d = newDirector(t, f.site.Directors[0], pool)
	return f
}

// flip turns the last two servers, each at random moments, until stopped. Modes are set from the goroutine that flips, and
// none of them can fail.
func (f *farm) flip(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	go func() {
		defer close(f.flipping)
		good := []bool{true, true}
		for {
			i := random.IntN(2)
			select {
			case <-f.quit:
				return
			case <-time.After(time.Duration(300+random.IntN(1500)) * time.Millisecond):
			}
			server, past := f.web[4+i], f.past[f.site.Servers[4+i].Address()]
			if good[i] = !good[i]; good[i] {
				past.turn(true)
				server.Set(lab.OK)
			} else {
				server.Set(lab.Status(503))
				past.turn(false)
			}
		}
	}()
	f.t.Cleanup(f.settle)
}

// settle ends the flipping.
func (f *farm) settle() {
	select {
	case <-f.quit:
	default:
		close(f.quit)
	}
	<-f.flipping
}

// judge checks each move against what its server did just before.
func (f *farm) judge(moves []move) {
	f.t.Helper()
	for _, m := range moves {
		if past := f.past[m.server]; !past.was(m.in, m.at.Add(-allowed), m.at) {
			f.t.Errorf("%v, though in the %v before it was never so", m, allowed)
		}
	}
}

// killed kills lvsd at random moments, some in the middle of a start, and starts it again after random gaps.
func (f *farm) killed(times int) {
	f.t.Helper()
	for range times {
		select {
		case <-f.d.proc.Exited():
			f.t.Fatalf("lvsd ended by itself:\n%s", f.d.proc.Output())
		case <-time.After(time.Duration(f.random.IntN(2500)) * time.Millisecond):
		}
		f.d.proc.Kill()
		time.Sleep(time.Duration(f.random.IntN(300)) * time.Millisecond)
		f.d.launch()
	}
}

// launch starts lvsd and waits for nothing.
func (d *director) launch(args ...string) {
	d.t.Helper()
	d.proc = d.host.Start(lab.Lvsd(d.t), append([]string{"run", "-c", d.file("lvsd.toml")}, args...)...)
}

func TestFaultsKill(t *testing.T) { killAtRandom(t, 10, 20260101) }

// killAtRandom: whenever lvsd dies, no good server leaves, no bad one comes, and clients see only what servers did.
func killAtRandom(t *testing.T, times int, seed uint64) {
	f := newFarm(t, seed)
	f.d.start()
	f.d.ready()
	f.d.expect(10*time.Second, "103 104 105 107 108", virtual)
	w := watchTable(t, f.d.host, virtual)
	asker := f.site.Client.Ask(lab.Asking{URL: "http://" + virtual + "/", Every: 50 * time.Millisecond, Timeout: 5 * time.Second})
	f.flip(seed)

	f.killed(times)
	f.d.ready()
	f.settle()
	moves, looks, err := w.stop()
	t.Logf("%d moves in %d looks", len(moves), looks)
	if err != nil {
		t.Errorf("a look at the table: %v", err)
	}
	if len(moves) == 0 {
		t.Error("nothing moved: the flipping was not seen")
	}
	f.judge(moves)
	tally := asker.Stop()
	t.Log(tally)
	removals := 0
	for _, m := range moves {
		if !m.in {
			removals++
		}
	}
	for kind, n := range tally.Errors {
		switch {
		case kind == "status 503":
		// IPVS drops what comes for a connection whose server was taken out (ip_vs_in, ip_vs_core.c): its client waits in vain.
		case kind == "timeout" && n <= 2*removals:
		default:
			t.Errorf("%d clients saw %q in %d removals, which no server gave", n, kind, removals)
		}
	}
	for i, w := range f.web[4:] {
		w.Set(lab.OK)
		f.past[f.site.Servers[4+i].Address()].turn(true)
	}
	f.d.expect(15*time.Second, "103 104 105 107 108", virtual)
	if n := strings.Count(fmt.Sprint(f.d.record()), "started"); n < 2 {
		t.Errorf("the record tells of %d starts", n)
	}
}
