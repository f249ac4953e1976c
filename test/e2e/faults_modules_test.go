package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// TestFaultsModules: without ip_vs nothing pretends to work. It needs a kernel of its own, as the lab gives it.
func TestFaultsModules(t *testing.T) {
	site := lab.OneBridge(t, lab.Size{Servers: 2})
	d := newBareDirector(t, site.Directors[0], pair)
	for _, h := range site.Servers {
		h.Web(lab.WebConfig{})
	}
	t.Run("missing", func(t *testing.T) {
		lab.HideModules(t)
		for _, args := range [][]string{{"run"}, {"plan"}} {
			out, err := d.host.Try("timeout", append([]string{"20", lab.Lvsd(t), "-c", d.file("lvsd.toml")}, args...)...)
			if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(out, "ip_vs") || len(out) > 1000 {
				t.Errorf("%s: %v", args, err)
			}
		}
		out, err := d.lvsd("status")
		if err == nil || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("status: %v\n%s", err, out)
		}
		if out, err := d.lvsd("config", "check"); err != nil {
			t.Errorf("config check needs no kernel: %v\n%s", err, out)
		}
	})
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
}
