package vrrp

import (
	"testing"
	"time"
)

// TestGroup has a row for each rule of a group; each is of two routers.
func TestGroup(t *testing.T) {
	for _, row := range []struct {
		rule   string
		with   script
		script string
	}{
		{"one timer makes all masters", plain(), `
			0s #1 start -> backup, next 3.5s (start)
			3.5s tick -> master, sends 1x128, announce, next 4.5s (silence, group)
			4.5s due -> master, sends 1x128, next 5.5s`},
		{"the owner takes the others with it", plain(), `
			0s #1 priority 255 -> stopped
			0s start -> master [, sends 1x128, announce |, sends 1x255, announce ], next 1s (group, owner)`},
		{"so does one that is started before them", plain(), `
			0s priority 255 -> stopped
			0s start -> master [, sends 1x255, announce |, sends 1x128, announce ], next 1s (owner, group)`},
		{"one down: what is in fault already has no cause to tell", plain(), `
			0s sick -> stopped
			0s start -> fault, next 4.99609375s (sick)
			1s #1 down -> fault (link down)`},
		{"all resume", plain(), `
			0s resume -> master, sends 1x128, next 1s (resumed)`},
		{"a master of higher priority on one makes all backups", pair(), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)`},
		{"handover of one is of all, and ends by the first successor", pair(), `
			4s #1 handover -> resigning, sends 3x0, next 6.9921875s
			4.6s #1 hear 1 -> backup, next 8.1s (group, handed over)`},
		{"all wait as long as the slowest", pair(), `
			3.6s #1 every 2s -> master, next 4.5s
			4s handover -> resigning, sends 3x0, next 8.984375s
			8.984375s due -> master, sends 1x128, announce, next 9.984375s (kept, group)`},
		{"nobody takes it: all go on, and take their intervals up again", pair(), `
			4s handover -> resigning, sends 3x0, next 6.9921875s
			6.9921875s due -> master, sends 1x128, announce, next 7.9921875s (kept, group)
			7.9921875s due -> master, sends 1x128, next 8.9921875s`},
		{"all stop together", pair(), `
			4s #1 stop -> resigning, sends 3x0, next 6.9921875s (stopped)
			6.9921875s due -> stopped (stopped, group)`},
		{"the priority of one below its peer's resigns all", pair(noPreempt), `
			4s #1 priority 100 -> resigning, sends 3x0, next 6.9921875s
			5s primary 192.0.2.7 -> resigning, next 6.9921875s
			6s #1 priority 128 -> master, sends 1x128, announce, next 7s (group, kept)`},
		{"sick counts for all", pair(), `
			4s #1 sick -> resigning, sends 3x0, next 6.9921875s (sick)
			4.5s #1 well -> master, sends 1x128, announce, next 5.5s (well)
			5s sick -> resigning, sends 3x0, next 7.9921875s (sick)
			5.5s #1 hear 1 -> fault, next 10.49609375s (group, handed over)
			6s well -> backup, next 9s (well)`},
		{"one down: all fault, and those that can say so", pair(), `
			4s #1 down -> fault [, sends 3x0 | ] (group, link down)
			5s #1 up -> backup, next 8.5s (group, link up)`},
		{"one down: the others listen and do not claim", pair(), `
			4s #1 down -> fault [, sends 3x0 | ] (group, link down)
			5s hear 0 -> fault
			9s due -> fault
			9s down -> fault (link down)
			9s #1 up -> fault
			9.5s up -> backup, next 13s (link up, group)`},
		{"one that hears no master does not move the group while another does", pair(), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)
			7s #1 hear 200 -> backup, next 7.5s
			7.5s due -> backup, next 10.5s (group held)
			10s #1 hear 200 -> backup, next 11s
			11s due -> backup, next 13.5s
			13.5s due -> master, sends 1x128, announce, next 14.5s (group, silence)`},
		{"a master elsewhere that would yield holds nothing up", pair(), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)
			5s #1 hear 200 -> backup, next 7.5s
			6s #1 hear 100 -> backup, next 7.5s
			7s #1 hear 100 -> backup, next 7.5s
			7.5s due -> master, sends 1x128, announce, next 8.5s (silence, group)`},
		{"nor does one that takes its leave", pair(), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)
			5s #1 hear 200 -> backup, next 7.5s
			7.4s #1 hear 0 -> backup, next 7.5s
			7.5s due -> master, sends 1x128, announce, next 8.5s (silence, group)`},
		{"nor one whose time is up", pair(), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)
			7.5s due -> master, sends 1x128, announce, next 8.5s (silence, group)`},
		{"it is told again when it happens again", pair(), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)
			7s #1 hear 200 -> backup, next 7.5s
			7.5s due -> backup, next 10.5s (group held)
			8s hear 200 -> backup, next 10.5s
			10s #1 hear 200 -> backup, next 11.5s
			11.5s due -> backup, next 13.5s (group held)`},
		{"a sick group that is alone says so once", pair(), `
			4s sick -> resigning, sends 3x0, next 6.9921875s (sick)
			6.9921875s due -> master, sends 1x1, announce, next 7.9921875s (last man, group)
			7s handover -> resigning, sends 3x0, next 9.9921875s
			9.9921875s due -> master, sends 1x1, announce, next 10.9921875s`},
		{"it does where preemption is off", pair(noPreempt), `
			4s #1 hear 200 -> backup, next 7.5s (group, higher)
			7s #1 hear 100 -> backup, next 7.5s
			7.5s due -> backup, next 10.5s (group held)`},
		{"one that slept takes the VIPs off all", pair(), `
			3.6s #1 every 10ms -> master, next 3.61s
			3.61s #1 tick -> master [ |, sends 1x128 ], next 3.62s
			3.7s hear 100 -> backup, next 3.715s (group, slept)`},
	} {
		t.Run(row.rule, func(t *testing.T) { row.with.run(t, 2, row.with.before+row.script) })
	}
}

// pair is plain, and two routers are master since 3.5 s.
func pair(change ...func(*script)) script {
	return plain(append(change, func(s *script) {
		s.before = `
			0s start -> backup, next 3.5s (start)
			3.5s due -> master, sends 1x128, announce, next 4.5s (silence, group)
		`
	})...)
}

// BenchmarkAdvert is what each advert costs the state machine.
func BenchmarkAdvert(b *testing.B) {
	s := plain()
	fresh := func() *Group {
		g := NewGroup(1)
		g.Step(0, 0, Event{Kind: Configure, Params: s.params})
		g.Step(0, 0, Event{Kind: Stand, Standing: s.standing})
		g.Step(0, 0, Event{Kind: Start})
		return g
	}
	b.Run("sent", func(b *testing.B) {
		g := fresh()
		b.ReportAllocs()
		for b.Loop() {
			g.Due(g.Next())
		}
	})
	b.Run("received", func(b *testing.B) {
		g, now := fresh(), Instant(0)
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(time.Second)
			g.Step(now, 0, Event{Kind: Heard, Priority: 200, Interval: time.Second, From: above})
		}
	})
}
