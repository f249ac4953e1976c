package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/test/lab"
)

// director is one host with an lvsd of its own: its files, its process, and what can be asked of it.
type director struct {
	t    *testing.T
	host *lab.Host
	proc *lab.Process

	resync string // how often lvsd compares the table; configure writes it
}

// newDirector gives a host a configuration, and a stranger in its table; no lvsd runs yet.
func newDirector(t *testing.T, host *lab.Host, toml string) *director {
	t.Helper()
	d := newBareDirector(t, host, toml)
	d.addStranger()
	t.Cleanup(d.checkStranger)
	return d
}

// newBareDirector is newDirector for a table that is empty or does not even exist.
func newBareDirector(t *testing.T, host *lab.Host, toml string) *director {
	t.Helper()
	d := &director{t: t, host: host, resync: "500ms"}
	d.configure(toml)
	return d
}

// run is t.Run for a part of a test, whose failures are the part's own.
func (d *director) run(name string, part func(*testing.T)) {
	whole := d.t
	defer func() { d.t = whole }()
	whole.Run(name, func(t *testing.T) {
		d.t = t
		part(t)
	})
}

// stranger is a service that is somebody else's, as ipvsadm -Sn prints it: the last in every listing.
var stranger = []string{"-A -f 9999 -s rr", "-a -f 9999 -r 192.0.2.9:0 -g -w 7"}

// addStranger puts the stranger there, for the first time or after the test itself took it out.
func (d *director) addStranger() {
	d.t.Helper()
	for _, line := range stranger {
		d.host.Run("ipvsadm", strings.Fields(line)...)
	}
}

// checkStranger fails the test unless the stranger is there as it was added.
func (d *director) checkStranger() {
	d.t.Helper()
	table := d.host.Table()
	for _, line := range stranger {
		if !strings.Contains("\n"+table+"\n", "\n"+line+"\n") {
			d.t.Errorf("the stranger lost %q:\n%s", line, table)
		}
	}
}

func (d *director) file(name string) string { return filepath.Join(d.host.Dir(), name) }

// configure writes the configuration: what a test cares about behind where this host keeps its files.
func (d *director) configure(toml string) {
	d.t.Helper()
	where := fmt.Sprintf("name = %q\nstate = %q\nresync = %q\n[audit]\nfile = %q\n[control]\nsocket = %q\n",
		d.host.Name, d.file("state"), d.resync, d.file("audit.log"), d.file("lvsd.sock"))
	d.write(where + toml)
}

// write replaces the configuration file as an editor does: by rename.
func (d *director) write(text string) {
	d.t.Helper()
	next := d.file("lvsd.toml.new")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(next, d.file("lvsd.toml")); err != nil {
		d.t.Fatal(err)
	}
}

// start runs lvsd and returns when it answers; ready waits until it is ready too.
func (d *director) start(args ...string) {
	d.t.Helper()
	d.proc = d.host.Start(lab.Lvsd(d.t), append([]string{"run", "-c", d.file("lvsd.toml")}, args...)...)
	lab.Eventually(d.t, 10*time.Second, func() error {
		select {
		case <-d.proc.Exited():
			d.t.Fatalf("lvsd ended:\n%s", d.proc.Output())
		default:
		}
		_, err := d.status()
		return err
	})
}

func (d *director) ready() {
	d.t.Helper()
	lab.Eventually(d.t, 15*time.Second, func() error {
		s, err := d.status()
		if err == nil && !s.Ready {
			err = fmt.Errorf("not ready")
		}
		return err
	})
}

// stop ends lvsd cleanly.
func (d *director) stop() {
	d.t.Helper()
	d.proc.Signal(syscall.SIGTERM)
	if code := d.proc.Wait(15 * time.Second); code != 0 {
		d.t.Fatalf("lvsd ended with %d:\n%s", code, d.proc.Output())
	}
}

// lvsd runs a command of the lvsd binary on the host and gives what it printed.
func (d *director) lvsd(args ...string) (string, error) {
	return d.host.Try(lab.Lvsd(d.t), append(args, "-c", d.file("lvsd.toml"))...)
}

func (d *director) mustLvsd(args ...string) string {
	d.t.Helper()
	out, err := d.lvsd(args...)
	if err != nil {
		d.t.Fatalf("lvsd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// status asks on the socket; sockets do not care for network namespaces.
func (d *director) status() (*control.Status, error) {
	return d.client().Status(d.t.Context())
}

func (d *director) client() *control.Client { return control.NewClient(d.file("lvsd.sock")) }

func (d *director) mustStatus() *control.Status {
	d.t.Helper()
	s, err := d.status()
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// servers lists the addresses that the kernel has for a service, by ipvsadm: "198.51.100.10:80" gives "103 104".
func (d *director) servers(virtual string) string {
	d.t.Helper()
	return serversOf(d.host.Ipvsadm(), virtual)
}

// serversOf reads an ipvsadm -Ln listing: the last parts of the servers' addresses, those with weight 0 in brackets.
// "-" is a service that is not there.
func serversOf(listing, virtual string) string {
	found, in := []string{}, false
	there := false
	for line := range strings.Lines(listing) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[0] != "->":
			in = f[1] == virtual
			there = there || in
		case in && len(f) >= 6:
			host := f[1][:strings.LastIndex(f[1], ":")]
			last := host[strings.LastIndexAny(host, ".:")+1:]
			last = strings.Trim(last, "[]")
			if f[3] == "0" {
				last = "(" + last + ")"
			}
			found = append(found, last)
		}
	}
	if !there {
		return "-"
	}
	return strings.Join(found, " ")
}

// expect waits until the kernel has exactly these servers for each of the services, and status agrees.
func (d *director) expect(within time.Duration, servers string, virtuals ...string) {
	d.t.Helper()
	lab.Eventually(d.t, within, func() error {
		listing := d.host.Ipvsadm()
		for _, v := range virtuals {
			if got := serversOf(listing, v); got != servers {
				return fmt.Errorf("%s has %q, want %q\n%s", v, got, servers, listing)
			}
		}
		return nil
	})
	d.agree()
}

// agree checks that every row of ipvsadm -Ln stands, byte for byte, on the left of `lvsd status`, in its order, and that
// status has no other rows in the table. Counters of connections are compared when they stood still meanwhile.
func (d *director) agree() {
	d.t.Helper()
	lab.Eventually(d.t, 5*time.Second, func() error {
		listing := rows(d.host.Ipvsadm())
		out, _ := d.lvsd("status") // the exit code says whether a service is down
		if !slices.Equal(listing, rows(d.host.Ipvsadm())) {
			for i := range listing {
				listing[i] = withoutCounters(listing[i])
			}
		}
		shown := rows(out)
		for i, row := range listing {
			if i >= len(shown) || !strings.HasPrefix(shown[i], row) {
				return fmt.Errorf("row %d of ipvsadm is not in status: %q\nstatus:\n%s\nipvsadm:\n%s", i, row, out, strings.Join(listing, "\n"))
			}
		}
		if len(shown) != len(listing) {
			return fmt.Errorf("status has %d rows in the table, ipvsadm %d\nstatus:\n%s", len(shown), len(listing), out)
		}
		return nil
	})
}

// withoutCounters is a server's row up to its weight.
func withoutCounters(row string) string {
	if !strings.HasPrefix(row, "  ->") {
		return row
	}
	for range 2 {
		row = strings.TrimRight(row, " ")
		row = row[:strings.LastIndexByte(row, ' ')]
	}
	return strings.TrimRight(row, " ")
}

// rows gives the rows of services and of servers that are in the table.
func rows(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "TCP", "UDP", "SCTP", "FWM":
			if len(f) < 3 || f[2] == "-" { // not in the kernel's table
				continue
			}
		case "->":
			if len(f) < 6 || f[2] == "-" || f[1] == "RemoteAddress:Port" {
				continue
			}
		default:
			continue
		}
		list = append(list, strings.TrimRight(line, " \n"))
	}
	return list
}

// record reads the audit file.
func (d *director) record() []audit.Entry {
	d.t.Helper()
	b, err := os.ReadFile(d.file("audit.log"))
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	var list []audit.Entry
	for line := range strings.Lines(string(b)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			d.t.Fatalf("audit line %q: %v", line, err)
		}
		list = append(list, e)
	}
	return list
}

// recorded waits for an entry that fits.
func (d *director) recorded(what string, fits func(audit.Entry) bool) audit.Entry {
	d.t.Helper()
	var found audit.Entry
	lab.Eventually(d.t, 5*time.Second, func() error {
		for _, e := range d.record() {
			if fits(e) {
				found = e
				return nil
			}
		}
		return fmt.Errorf("the record has no %s", what)
	})
	return found
}
