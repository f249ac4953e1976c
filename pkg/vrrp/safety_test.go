package vrrp

import (
	"testing"
	"time"
)

// TestSafety has a row for each rule of a single router that SAFETY.md adds to the RFC.
func TestSafety(t *testing.T) {
	for _, row := range []struct {
		rule   string
		with   script
		script string
	}{
		{"hold: claims nothing before Ready, and says so once", plain(hold("30s")), `
			0s start -> backup, next 3.5s (start)
			3.5s tick -> backup, next 30s (held)
			4s tick -> backup, next 30s
			5s ready -> backup, next 5s
			5s tick -> master, sends 1x128, announce, next 6s (silence)`},
		{"hold: ends by itself when nobody is heard", plain(hold("30s")), `
			0s start -> backup, next 3.5s (start)
			3.5s tick -> backup, next 30s (held)
			30s tick -> master, sends 1x128, announce, next 31s (silence)`},
		{"hold: restarts with each advert, and preempts nobody", plain(hold("5s")), `
			0s start -> backup, next 3.5s (start)
			3s hear 100 -> backup, next 6.5s
			6s hear 100 -> backup, next 9.5s
			9.5s tick -> backup, next 11s (held)
			11s tick -> master, sends 1x128, announce, next 12s (silence)`},
		{"hold: Ready lets it preempt", plain(hold("30s")), `
			0s start -> backup, next 3.5s (start)
			3s hear 100 -> backup, next 6.5s
			3.1s ready -> backup, next 6.5s
			4s hear 100 -> backup, next 6.5s
			6.5s tick -> master, sends 1x128, announce, next 7.5s (preempt)`},
		{"hold: one shorter than the down interval ends quietly", plain(hold("1s")), `
			0s start -> backup, next 1s (start)
			1s tick -> backup, next 3.5s
			2s hear 100 -> backup, next 3.5s
			3.5s tick -> master, sends 1x128, announce, next 4.5s (preempt)`},
		{"hold: not for the owner", plain(hold("30s"), priority(255)), `
			0s start -> master, sends 1x255, announce, next 1s (owner)`},
		{"hold: not again after the interface was away", plain(hold("10s")), `
			0s start -> backup, next 3.5s (start)
			1s ready -> backup, next 3.5s
			2s down -> fault (link down)
			3s up -> backup, next 6.5s (link up)
			6.5s tick -> master, sends 1x128, announce, next 7.5s (silence)`},
		{"preempt_delay: counts from the first lower advert in a row", plain(delay("2s")), `
			0s start -> backup, next 3.5s (start)
			1s hear 100 -> backup, next 4.5s
			2.9s hear 100 -> backup, next 6.4s
			3s hear 100 -> backup, next 6.4s
			4s hear 200 -> backup, next 7.5s
			5s hear 100 -> backup, next 8.5s
			7s hear 100 -> backup, next 8.5s
			8.5s tick -> master, sends 1x128, announce, next 9.5s (preempt)`},
		{"preempt_delay: counts anew after a farewell", plain(delay("2s")), `
			0s start -> backup, next 3.5s (start)
			1s hear 100 -> backup, next 4.5s
			2s hear 0 -> backup, next 2.5s
			2.4s hear 100 -> backup, next 5.9s
			3.5s hear 100 -> backup, next 7s`},
		{"preempt_delay: does not delay a takeover from silence", plain(delay("60s")), `
			0s start -> backup, next 3.5s (start)
			1s hear 100 -> backup, next 4.5s
			4.5s tick -> master, sends 1x128, announce, next 5.5s (silence)`},

		{"resume: master at once, with its VIPs", plain(hold("30s")), `
			5s resume -> master, sends 1x128, next 6s (resumed)
			5.1s resume -> master, next 6s
			5.1s start -> master, next 6s`},
		{"resume: not without an interface", plain(), `
			0s down -> stopped
			5s resume -> fault (link down)`},
		{"resume: a sick one tries at once to give the role away", plain(), `
			0s sick -> stopped
			5s resume -> master, sends 1x1, next 5s (resumed)
			5s tick -> resigning, sends 3x0, next 7.9921875s`},

		{"handover: forwards until the successor is heard", active(), `
			4s handover -> resigning, sends 3x0, next 6.9921875s
			4.1s handover -> resigning, next 6.9921875s
			4.2s hear 0 -> resigning, next 6.9921875s
			4.5s tick -> resigning, next 6.9921875s
			4.6s hear 1 -> backup, next 8.1s (handed over)`},
		{"handover: nobody takes it, so it goes on", active(), `
			4s handover -> resigning, sends 3x0, next 6.9921875s
			6.9921875s tick -> master, sends 1x128, announce, next 7.9921875s (kept)`},
		{"handover: not of what it does not have", plain(), `
			0s start -> backup, next 3.5s (start)
			1s handover -> backup, next 3.5s`},
		{"handover: waits by the interval that the peers learned from this master", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 200 every 4s -> backup, next 15s
			15s tick -> master, sends 1x128, announce, next 16s (silence)
			16s handover -> resigning, sends 3x0, next 18.9921875s`},
		{"stop: waits for the successor, then ends", active(), `
			4s stop -> resigning, sends 3x0, next 6.9921875s (stopped)
			4.5s stop -> resigning, next 6.9921875s
			4.6s hear 1 -> stopped (handed over)`},
		{"stop: overrides a handover", active(), `
			4s handover -> resigning, sends 3x0, next 6.9921875s
			5s stop -> resigning, sends 3x0, next 7.9921875s (stopped)
			7.9921875s tick -> stopped (stopped)`},
		{"stop: a new start begins afresh", active(), `
			4s stop -> resigning, sends 3x0, next 6.9921875s (stopped)
			4.6s hear 1 every 9s -> stopped (handed over)
			10s start -> backup, next 13.5s (start)`},

		{"priority: lowered below a peer that was heard, it resigns", active(noPreempt), `
			4s hear 100 -> master, sends 1x128, announce, contested, next 4.5s
			4.1s priority 101 -> master, next 4.5s
			4.1s priority 100 -> master, next 4.5s
			4.2s priority 64 -> resigning, sends 3x0, next 7.1921875s
			4.7s hear 100 -> backup, next 8.45s (handed over)`},
		{"priority: below the configured one of a peer never heard", active(peer(100)), `
			4s priority 110 -> master, next 4.5s
			4s priority 90 -> resigning, sends 3x0, next 6.9921875s`},
		{"priority: below its best, where nobody preempts", active(noPreempt), `
			4s priority 127 -> resigning, sends 3x0, next 6.9921875s
			6.9921875s tick -> master, sends 1x127, announce, next 7.9921875s (kept)
			7.5s priority 120 -> resigning, sends 3x0, next 10.4921875s`},
		{"priority: where peers preempt, it is advertised and no more", active(), `
			4s priority 127 -> master, next 4.5s
			4.5s tick -> master, sends 1x127, next 5.5s`},
		{"priority: raised again in time, it stays", active(peer(100)), `
			4s priority 90 -> resigning, sends 3x0, next 6.9921875s
			4.1s priority 95 -> resigning, next 6.9921875s
			4.1s sick -> resigning, next 6.9921875s (sick)
			4.1s priority 128 -> resigning, next 6.9921875s
			4.1s priority 95 -> resigning, next 6.9921875s
			4.1s well -> resigning, next 6.9921875s
			4.2s priority 128 -> master, sends 1x128, announce, next 5.2s (kept)`},

		{"sick: a master resigns softly, and listens then", active(), `
			4s sick -> resigning, sends 3x0, next 6.9921875s (sick)
			4.6s hear 1 -> fault, next 9.59609375s (handed over)
			5s hear 100 -> fault, next 9.99609375s`},
		{"sick: well again in time, it stays", active(), `
			4s sick -> resigning, sends 3x0, next 6.9921875s (sick)
			4.2s well -> master, sends 1x128, announce, next 5.2s (well)`},
		{"sick: well again within the farewells, its advert comes after them", active(), `
			4s sick -> resigning, sends 3x0, next 6.9921875s (sick)
			4.001s well -> master, announce, next 4.01s (well)
			4.01s tick -> master, sends 1x128, next 5.01s`},
		{"sick: an operator's handover stands, well or not", active(), `
			4s handover -> resigning, sends 3x0, next 6.9921875s
			4.1s sick -> resigning, next 6.9921875s (sick)
			4.2s well -> resigning, next 6.9921875s`},
		{"last man: goes on with priority 1, and tries again", active(), `
			4s sick -> resigning, sends 3x0, next 6.9921875s (sick)
			6.9921875s tick -> master, sends 1x1, announce, next 7.9921875s (last man)
			8s hear 2 -> fault, next 12.99609375s (higher)`},
		{"last man: tries to give the role away every half minute", plain(every("10s")), `
			0s start -> backup, next 35s (start)
			35s tick -> master, sends 1x128, announce, next 45s (silence)
			40s sick -> resigning, sends 3x0, next 1m0.921875s (sick)
			60.921875s tick -> master, sends 1x1, announce, next 1m10.921875s (last man)
			70.921875s tick -> master, sends 1x1, next 1m20.921875s
			80.921875s tick -> master, sends 1x1, next 1m30.921875s
			90.921875s tick -> master, sends 1x1, next 1m40.921875s
			100.921875s tick -> master, sends 1x1, next 1m50.921875s
			110.921875s tick -> master, sends 1x1, next 2m0.921875s
			120.921875s tick -> master, sends 1x1, next 2m10.921875s
			130.921875s tick -> master, sends 1x1, next 2m20.921875s
			140.921875s tick -> master, sends 1x1, next 2m30.921875s
			150.921875s tick -> master, sends 1x1, next 2m40.921875s
			160.921875s tick -> resigning, sends 3x0, next 3m1.84375s
			181.84375s tick -> master, sends 1x1, announce, next 3m11.84375s
			182s well -> master, sends 1x128, next 3m12s (well)
			183s sick -> resigning, sends 3x0, next 3m23.921875s (sick)
			203.921875s tick -> master, sends 1x1, announce, next 3m33.921875s (last man)`},
		{"last man: a lower priority is nothing to him", active(noPreempt), `
			4s sick -> resigning, sends 3x0, next 6.9921875s (sick)
			6.9921875s tick -> master, sends 1x1, announce, next 7.9921875s (last man)
			7s priority 50 -> master, next 7.9921875s`},
		{"the owner's VIPs are its own, slept or not, and as soon as it is one", plain(), `
			0s start -> backup, next 3.5s (start)
			1s priority 255 -> master, sends 1x255, announce, next 2s (owner)
			9s tick -> master, sends 1x255, next 10s`},
		{"last man: a sick backup waits for the others", plain(), `
			0s sick -> stopped
			0s start -> fault, next 4.99609375s (sick)
			1s hear 1 -> fault, next 5.99609375s
			5.99609375s tick -> master, sends 1x1, announce, next 6.99609375s (last man)
			6s well -> master, next 6.00609375s (well)
			6.00609375s tick -> master, sends 1x128, next 7.00609375s`},
		{"last man: of two sick ones, the one that resigns takes the role back", plain(), `
			0s sick -> stopped
			0s start -> fault, next 4.99609375s (sick)
			1s hear 0 every 100ms -> fault, next 5.99609375s
			2s hear 1 every 100ms -> fault, next 2.499609375s
			2.1s hear 0 every 100ms -> fault, next 3.39921875s`},
		{"sick: a backup that is well waits from what it heard last", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 200 -> backup, next 4.5s
			2s sick -> fault, next 5.99609375s (sick)
			3s well -> backup, next 4.5s (well)
			3s sick -> fault, next 5.99609375s (sick)
			5s well -> backup, next 5s (well)
			5s tick -> master, sends 1x128, announce, next 6s (silence)`},

		{"down: fault at once and without a word; up again as a backup", active(), `
			4s down -> fault (link down)
			5s tick -> fault
			5s promote -> fault
			6s up -> backup, next 9.5s (link up)`},
		{"down: ends a resignation", active(), `
			4s stop -> resigning, sends 3x0, next 6.9921875s (stopped)
			5s down -> stopped (link down)`},
		{"a new primary address is told at once", active(), `
			4s primary 192.0.2.7 -> master, sends 1x128, next 5s`},
		{"standing as before changes nothing", active(), `
			4s up -> master, next 4.5s`},
		{"an interval counts from the next advert, which may come sooner", active(), `
			4s every 100ms -> master, next 4.1s
			4.1s tick -> master, sends 1x128, next 4.2s
			4.2s every 60s -> master, next 4.2s
			4.2s tick -> master, sends 1x128, next 1m4.2s`},
		{"a shorter interval is not mistaken for a sleep", active(), `
			4.4s every 10ms -> master, next 4.41s
			4.41s tick -> master, sends 1x128, next 4.42s`},

		{"contested: no more than one advert in 10 ms, none left out, none later than scheduled", active(), `
			4s hear 100 -> master, sends 1x128, announce, contested, next 4.5s
			4.01s hear 100 -> master, sends 1x128, contested, next 4.5s
			4.491s hear 100 -> master, contested, next 4.5s
			4.5s tick -> master, sends 1x128, next 5.5s
			4.509s hear 100 -> master, contested, next 4.51s
			4.51s hear 100 -> master, contested, next 4.51s
			4.51s tick -> master, sends 1x128, next 5.51s`},
		{"contested: announced again only after calm", active(), `
			4s hear 100 -> master, sends 1x128, announce, contested, next 4.5s
			4.5s tick -> master, sends 1x128, next 5.5s
			5.4s hear 100 -> master, sends 1x128, contested, next 5.5s
			5.5s tick -> master, sends 1x128, next 6.5s
			6.5s tick -> master, sends 1x128, next 7.5s
			7.5s tick -> master, sends 1x128, next 8.5s
			8.5s tick -> master, sends 1x128, next 9.5s
			8.9s hear 100 -> master, sends 1x128, announce, contested, next 9.5s`},
		{"priority 0 thrice: one advert at once and one after the last", active(), `
			4s hear 0 -> master, sends 1x128, announce, next 5s
			4.001s hear 0 -> master, next 4.01s
			4.002s hear 0 -> master, next 4.01s
			4.01s tick -> master, sends 1x128, next 5.01s`},

		{"priority 0 of a master that has been succeeded is late, and changes nothing", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 100 from 192.0.2.4 -> backup, next 3.5s
			2s hear 200 from 192.0.2.6 -> backup, next 5.5s
			2.1s hear 0 from 192.0.2.4 -> backup, next 5.5s
			2.2s hear 0 from 192.0.2.4 -> backup, next 5.5s
			2.3s hear 0 from 192.0.2.6 -> backup, next 2.8s
			2.4s hear 0 from 192.0.2.4 -> backup, next 2.9s`},

		{"priority 0, and then a successor of lower priority: that is preempted", plain(), `
			0s start -> backup, next 3.5s (start)
			1s hear 0 -> backup, next 1.5s
			1.2s hear 100 from 192.0.2.6 -> backup, next 1.5s
			1.5s tick -> master, sends 1x128, announce, next 2.5s (preempt)`},
		{"slept as master: VIPs off, listens an interval and a skew", active(), `
			6.4s tick -> master, sends 1x128, next 7.4s
			9.4s tick -> backup, next 10.9s (slept)
			10.9s tick -> master, sends 1x128, announce, next 11.9s (silence)`},
		{"slept as master: what is heard then is heard as a backup", active(), `
			6.5s hear 100 -> backup, next 8s (slept)
			8s hear 200 -> backup, next 11.5s`},
		{"slept as master: nothing to hand over, and a stop is immediate", active(), `
			6.5s stop -> stopped (stopped)`},
		{"slept while it resigned", active(), `
			4s handover -> resigning, sends 3x0, next 6.9921875s
			7.9921875s tick -> backup, next 9.4921875s (slept)`},
		{"slept while it stopped", active(), `
			4s stop -> resigning, sends 3x0, next 6.9921875s (stopped)
			7.9921875s hear 0 -> stopped (slept)`},
		{"slept as backup: does not claim, but listens", plain(), `
			0s start -> backup, next 3.5s (start)
			4.6s tick -> backup, next 6.1s (slept)
			6.1s tick -> master, sends 1x128, announce, next 7.1s (silence)`},
		{"late as backup by less than an interval", plain(), `
			0s start -> backup, next 3.5s (start)
			4.4s tick -> master, sends 1x128, announce, next 5.4s (silence)`},
	} {
		t.Run(row.rule, func(t *testing.T) { row.with.run(t, 1, row.with.before+row.script) })
	}
}

// TestCauseWords: each cause has its words, and no two the same.
func TestCauseWords(t *testing.T) {
	seen := map[string]Cause{}
	for c := range Cause(len(causes)) {
		if before, ok := seen[c.String()]; ok || c != NoCause && c.String() == "" {
			t.Errorf("cause %d says %q, as %d does", c, c, before)
		}
		seen[c.String()] = c
	}
	if Cause(len(causes)).String() != "unknown cause" {
		t.Error("a cause that there is not has words")
	}
}

// TestStepAllocatesNothing covers what happens for each advert sent and each one received.
func TestStepAllocatesNothing(t *testing.T) {
	g, now := NewGroup(1), Instant(0)
	script := plain()
	g.Step(0, 0, Event{Kind: Configure, Params: script.params})
	g.Step(0, 0, Event{Kind: Stand, Standing: script.standing})
	g.Step(0, 0, Event{Kind: Start})
	received := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		g.Step(now, 0, Event{Kind: Heard, Priority: 200, Interval: time.Second, From: above})
	})
	g.Due(g.Next())
	sent := testing.AllocsPerRun(100, func() { g.Due(g.Next()) })
	if g.State() != Master || received != 0 || sent != 0 {
		t.Errorf("as %v: %v allocations for an advert received, %v for one sent", g.State(), received, sent)
	}
}
