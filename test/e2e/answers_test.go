package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/test/lab"
)

const scripted = `
[check.mine]
type     = "script"
command  = ["%[1]s/check", "{address}", "{port}"]
user     = "nobody"
interval = "500ms"
timeout  = "1s"

[check.shut]
type     = "script"
command  = ["%[1]s/shut/check"]
user     = "nobody"
interval = "500ms"
timeout  = "1s"

[[service]]
name    = "scripted"
vips    = ["198.51.100.10"]
ports   = [80]
checks  = ["mine"]
servers = ["198.51.100.103", "198.51.100.104", "198.51.100.105", "198.51.100.106"]

[[service]]
name    = "unasked"
vips    = ["198.51.100.20"]
ports   = [80]
checks  = ["shut"]
servers = ["198.51.100.107"]
`

// script does what each server's last number says; it is well only for nobody.
const script = `#!/bin/sh
case "$1" in
*.103) test "$(id -un)" = nobody && test "$2 $LVSD_PORT" = "80 80" ;;
*.104) echo the disk is bad; exit 3 ;;
*.105) sleep 77 & sleep 78 ;;
*.106) kill -9 $$ ;;
esac
`

// What a script did is told apart: its exit code, its time, a signal, and that it could not even run.
func TestScripts(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{})
	dir := writeScript(t)
	d := newDirector(t, site.Directors[0], fmt.Sprintf(scripted, dir))
	d.start()
	d.expect(10*time.Second, "103", vip)
	if err := os.Chmod(filepath.Join(dir, "shut"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.told(map[string]told{
		"198.51.100.103": {checks.Good, ""},
		"198.51.100.104": {checks.BadAnswer, "exit 3: the disk is bad"},
		"198.51.100.105": {checks.NoAnswer, "within 1s"},
		"198.51.100.106": {checks.NotAsked, "killed by signal 9"},
		"198.51.100.107": {checks.NotAsked, "permission denied"},
	})
	d.expect(time.Second, "107", "198.51.100.20:80") // who cannot be asked is not taken out
	if out, err := d.host.Try("pgrep", "-f", "sleep 7[78]"); err == nil && len(strings.Fields(out)) > 2 {
		t.Errorf("what the script left behind is still there: %s", out)
	}
}

// writeScript makes a directory that nobody can read, with the script, and in it one that will be shut.
func writeScript(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := errors.Join(
		os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(filepath.Join(dir, "shut"), 0o755),
		os.WriteFile(filepath.Join(dir, "check"), []byte(script), 0o755),
		os.WriteFile(filepath.Join(dir, "shut", "check"), []byte("#!/bin/sh\n"), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// told is what the last try of a server found.
type told struct {
	outcome checks.Outcome
	words   string // in its reason
}

// told waits until status tells this of each server.
func (d *director) told(want map[string]told) {
	d.t.Helper()
	lab.Eventually(d.t, 10*time.Second, func() error {
		found := 0
		for _, c := range d.mustStatus().Checks {
			w, asked := want[c.Addr.Addr().String()]
			if !asked {
				continue
			}
			if c.Last == nil || c.Last.Outcome != w.outcome || !strings.Contains(c.Last.Reason, w.words) {
				return fmt.Errorf("%v: %+v, want %v and %q", c.Addr, c.Last, w.outcome, w.words)
			}
			found++
		}
		if found != len(want) {
			return fmt.Errorf("%d checks, want %d", found, len(want))
		}
		return nil
	})
}

const secure = `
[check.page]
type     = "https"
host     = "www.example.com"
path     = "/"
ca       = "%s"
interval = "500ms"
timeout  = "2s"

[[service]]
name    = "secure"
vips    = ["198.51.100.10"]
ports   = [443]
checks  = ["page"]
servers = ["198.51.100.103", "198.51.100.104", "198.51.100.105", "198.51.100.106"]
`

// A certificate must be valid, for the name, and by the authority that the check names.
func TestCertificates(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 4})
	ca, stranger := lab.NewCA(t), lab.NewCA(t)
	tomorrow := time.Now().Add(24 * time.Hour)
	certificates := []lab.WebConfig{
		{TLS: ca.Certificate(tomorrow, "www.example.com")},
		{TLS: ca.Certificate(time.Now().Add(-time.Hour), "www.example.com")},
		{TLS: ca.Certificate(tomorrow, "mail.example.com")},
		{TLS: stranger.Certificate(tomorrow, "www.example.com")},
	}
	for i, c := range certificates {
		c.TLSPorts = []uint16{443}
		site.Servers[i].Web(c)
	}
	d := newDirector(t, site.Directors[0], "")
	d.configure(fmt.Sprintf(secure, ca.WriteFile(d.host.Dir())))
	d.start()
	d.ready()
	d.expect(10*time.Second, "103", "198.51.100.10:443")
	d.told(map[string]told{
		"198.51.100.103": {checks.Good, "200"},
		"198.51.100.104": {checks.BadAnswer, "expired"},
		"198.51.100.105": {checks.BadAnswer, "mail.example.com"},
		"198.51.100.106": {checks.BadAnswer, "unknown authority"},
	})
}
