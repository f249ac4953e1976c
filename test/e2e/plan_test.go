package e2e

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

const planned = `
[check.alive]
type     = "http"
port     = 80
interval = "500ms"

[[service]]
name       = "web"
vips       = ["198.51.100.10"]
ports      = [80]
scheduler  = "wrr"
persistent = "1m"
checks     = ["alive"]
servers    = ["198.51.100.103", { address = "198.51.100.104", weight = 5, upper = 9 }]
`

// plan prints what lvsd then does, and nothing else.
func TestPlan(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 3})
	for _, h := range site.Servers {
		h.Web(lab.WebConfig{})
	}
	d := newDirector(t, site.Directors[0], planned)
	for _, line := range []string{"-A -t " + vip + " -s wlc", "-a -t " + vip + " -r 192.0.2.44 -g"} { // to be changed and to go
		d.host.Run("ipvsadm", strings.Fields(line)...)
	}
	before := d.plan(1)
	d.start()
	d.ready()
	d.expect(10*time.Second, "103 104", vip)
	d.sameWrites(0, before)
	if lines := d.plan(0); len(lines) > 0 {
		t.Errorf("with all written it plans %q", lines)
	}

	d.configure(strings.Replace(planned, `weight = 5, upper = 9 }`, `weight = 7 }, "198.51.100.105"`, 1))
	recorded := len(d.record())
	change := d.plan(1)
	d.mustLvsd("reload")
	d.expect(10*time.Second, "103 104 105", vip)
	d.sameWrites(recorded, change)

	d.configure("[check.alive]\n")
	if out, err := d.lvsd("plan"); exitCode(err) != 1 || !strings.Contains(out, "lvsd.toml:") {
		t.Errorf("plan of a bad file: %v\n%s", err, out)
	}
}

// plan gives the lines that lvsd plan prints, without its remarks.
func (d *director) plan(code int) []string {
	d.t.Helper()
	out, err := d.lvsd("plan")
	if exitCode(err) != code {
		d.t.Fatalf("plan ended with %v, want %d:\n%s", err, code, out)
	}
	var lines []string
	for line := range strings.Lines(out) {
		if line, _, _ = strings.Cut(line, "#"); strings.HasPrefix(line, "-") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// sameWrites checks that what was written since an entry of the record is what was planned.
func (d *director) sameWrites(from int, planned []string) {
	d.t.Helper()
	wrote := d.written(from)
	slices.Sort(wrote)
	slices.Sort(planned)
	if len(wrote) == 0 || !slices.Equal(wrote, planned) {
		d.t.Errorf("planned\n%s\nwritten\n%s", strings.Join(planned, "\n"), strings.Join(wrote, "\n"))
	}
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}

// The manual and the examples that are shipped are accepted.
func TestExamples(t *testing.T) {
	d := newDirector(t, lab.New(t).Host("lvs-a"), "")
	files, err := filepath.Glob("../../etc/examples/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, f := range append(files, "../../etc/lvsd.toml") {
		if out, err := d.host.Try(lab.Lvsd(t), "config", "check", "-c", f); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}
