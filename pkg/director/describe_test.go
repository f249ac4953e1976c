package director

import (
	"strings"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	w := &world{servers: map[byte]*server{}}
	for _, r := range []struct {
		name string
		old  Config
		next func() Config
		want string
	}{
		{"the same", w.config("AB"), func() Config { return w.config("AB") }, ""},
		{"a server more, a server less", w.config("AB"), func() Config { return w.config("AC") }, "service s0 (tcp 192.0.2.1:80): server 10.0.0.66:80: gone\nservice s0 (tcp 192.0.2.1:80): server 10.0.0.67:80: new"},
		{"a service more", w.config("A"), func() Config { return w.config("A", "A") }, "service s1 (tcp 192.0.2.1:81): new, 1 servers"},
		{"a service less", w.config("A", "A"), func() Config { return w.config("A") }, "service s1 (tcp 192.0.2.1:81): gone"},
		{"a weight", w.config("A"), func() Config {
			c := w.config("A")
			c.Services[0].Servers[0].Set.Weight = 5
			return c
		}, "service s0 (tcp 192.0.2.1:80): server 10.0.0.65:80: weight 5, was 1"},
		{"a scheduler and a quorum", w.config("A"), func() Config {
			c := w.config("A")
			c.Services[0].Service.Scheduler, c.Services[0].Quorum = "rr", 2
			return c
		}, "service s0 (tcp 192.0.2.1:80): scheduler rr, was wlc\nservice s0 (tcp 192.0.2.1:80): settings changed"},
		{"a check's interval, for all its servers", w.config("AB"), func() Config {
			c := w.config("AB")
			for id, spec := range c.Checks {
				spec.Interval = time.Minute
				c.Checks[id] = spec
			}
			return c
		}, "check alive: changed"},
		{"what a router depends on", routers(w.config("A"), Router{Name: "VI_1", OnSuspect: -20}, Router{Name: "VI_2"}), func() Config {
			return routers(w.config("A"), Router{Name: "VI_1", OnSuspect: -5, Tracks: []Track{{Service: "s0"}}}, Router{Name: "VI_3"})
		}, "vrrp VI_1: on_suspect -5, was -20\nvrrp VI_1: tracked checks and services changed"},
	} {
		t.Run(r.name, func(t *testing.T) {
			if got := strings.Join(Describe(r.old, r.next()), "\n"); got != r.want {
				t.Errorf("got\n%s\nwant\n%s", got, r.want)
			}
		})
	}
}
