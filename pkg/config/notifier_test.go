package config

import (
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/notify"
)

func TestNotifiers(t *testing.T) {
	c := parse(t, `
[notifier.b]
type = "script"
subjects = ["config"]
command = ["/bin/true"]
[notifier.a]
type = "script"
subjects = ["vrrp:*", "vrrp:VI_1", "vrrp:gateway", "service:web", "server:web/10.0.0.1:80", "server:web/10.0.0.9:80"]
command = ["/bin/true", "{kind}", "{name}", "{state}", "{priority}"]
timeout = "5s"
repeat = "10s"
merge = false
verify = ["/bin/false"]
[[vrrp]]
name = "VI_1"
group = "gateway"
interface = "lo"
id = 66
vips = ["192.0.2.10"]
sync_connections = true
[[service]]
name = "web"
vips = ["192.0.2.10"]
ports = [80]
checks = ["a"]
servers = ["10.0.0.1"]
sorry = ["10.0.0.9"]
[check.a]
type = "tcp"
`)
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	told := &notify.Script{Command: []string{"/bin/true", "{kind}", "{name}", "{state}", "{priority}"}, Verify: []string{"/bin/false"}}
	short := &notify.Script{Command: []string{"/bin/true"}}
	if told.Validate() != nil || short.Validate() != nil {
		t.Fatal("/bin/true is not valid")
	}
	same(t, "notifiers", c.Notifiers, []notify.Notifier{
		{
			Name: "a", Timeout: 5 * time.Second, Repeat: 10 * time.Second, Teller: told, Verify: told.Verifier(),
			Subjects: []string{"vrrp:*", "vrrp:VI_1", "vrrp:gateway", "service:web", "server:web/10.0.0.1:80", "server:web/10.0.0.9:80"},
		},
		{Name: "b", Timeout: 30 * time.Second, Merge: true, Teller: short, Subjects: []string{"config"}},
	})
}
