package vip

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A process that did not run for longer than the lease must not take back what a peer may have by now.
func TestLapsed(t *testing.T) {
	for name, wake := range map[string]func(*hand, *router){
		"by the timer": func(h *hand, r *router) { h.renew(time.Now()) },
		"by the kernel's word": func(h *hand, r *router) {
			h.gone = append(h.gone, place{"lo", r.want.Addresses[0].Prefix.Addr()})
			h.mend()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, r := renewing(t, 3)
			var told reports
			h.tell = told.add
			r.renewed -= time.Minute // as if it had been then
			r.due = time.Now()
			wake(h, r)
			h.mend()
			h.renew(time.Now().Add(time.Hour))
			if has(t, "lo", "10.9.0.1/32") || has(t, "lo", "10.9.0.3/32") {
				t.Error("held")
			}
			failed := told.of(Failed)
			if len(failed) != 1 || !errors.Is(failed[0].Err, errLapsed) || len(told.all) != 1 {
				t.Error(told.all)
			}
			h.k.asked = map[string]ask{"web": {want: r.want}}
			h.obey()
			if !has(t, "lo", "10.9.0.1/32") || len(told.of(Settled)) != 1 {
				t.Error("not held after it was asked for again", told.all)
			}
		})
	}
}

func TestOverrun(t *testing.T) {
	wire(t)
	h, r := renewing(t, 3)
	var told reports
	h.tell = told.add
	h.watch.close() // it is deaf from here on
	idle := want(false, four)
	h.accept("news", ask{want: idle})
	h.place()
	sh(t, "ip addr del 10.9.0.2/32 dev lo; ip addr add "+four+" dev v0; ip link set v0 name v9; ip link set v9 name v0")
	h.rewatch([]string{"v0"})
	h.hear(happening{kind: overrun})
	h.mend()
	if x := told.of(Restored); len(x) != 1 || x[0].Address != r.want.Addresses[1] {
		t.Error("restored", x)
	}
	if x := told.of(Removed); len(x) != 1 || x[0].Address.Prefix.String() != four {
		t.Error("removed", x)
	}
	if x := told.of(LinkChanged); len(x) != 1 || x[0].Link.Name != "v0" || x[0].Link.Index == 0 {
		t.Error("links", x)
	}
	if !has(t, "lo", "10.9.0.2/32") || has(t, "v0", four) {
		t.Error(sh(t, "ip addr"))
	}
}

// A socket that broke is replaced, and nothing is lost.
func TestBrokenSocket(t *testing.T) {
	h, r := renewing(t, 3)
	var told reports
	h.tell = told.add
	h.req.close()
	h.hold(r, time.Now())
	if x := told.of(Failed); len(x) != 1 || !strings.Contains(x[0].Err.Error(), "netlink") {
		t.Error(told.all)
	}
	h.renew(time.Now().Add(retryEvery))
	if len(told.of(Settled)) != 1 || h.watch.own.Load() != h.req.port {
		t.Error(told.all)
	}
}
