package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

type askNobody struct{}

func (askNobody) Role(context.Context, Told) (string, error) { return "", nil }

var (
	merging    = Notifier{Merge: true, Timeout: 30 * time.Second}
	everything = Notifier{Timeout: 30 * time.Second}
	repeating  = Notifier{Merge: true, Timeout: 30 * time.Second, Repeat: time.Minute}
	verifying  = Notifier{Merge: true, Timeout: 30 * time.Second, Verify: askNobody{}}
)

// TestLine plays a line. A word of the script is a state that an event tells; "ok" "fail" "cut", the end of what is under
// way; "=X" what the other side says that it is, "=?" that it could not be asked; "+5s" that time passes, and all that is
// due by then is begun; "gone" that the subject is. Wanted is what was done ("tell", "ask") and each step, in order; a new
// script word begins a new line there.
func TestLine(t *testing.T) {
	tests := []struct {
		name   string
		of     Notifier
		from   line
		script string
		want   string
	}{
		{"told and confirmed", merging, line{}, "A ok +1h", `
			A: queued A, tell A/1
			ok: confirmed A
			+1h:`},
		{"newest waits, the others are merged", merging, line{}, "A B C ok ok", `
			A: queued A, tell A/1
			B: queued B
			C: queued C, merged B
			ok: confirmed A, tell C/1
			ok: confirmed C`},
		{"every transition", everything, line{}, "A B A ok ok ok", `
			A: queued A, tell A/1
			B: queued B
			A: queued A
			ok: confirmed A, tell B/1
			ok: confirmed B, tell A/1
			ok: confirmed A`},
		{"back before it was told", merging, line{}, "A B A ok", `
			A: queued A, tell A/1
			B: queued B
			A: queued A, merged B
			ok: confirmed A, known A`},
		{"back, but another was begun in between", merging, line{}, "A ok B A fail ok", `
			A: queued A, tell A/1
			ok: confirmed A
			B: queued B, tell B/1
			A: queued A
			fail: ended B, tell A/1
			ok: confirmed A`},
		{"the same again", merging, line{}, "A ok A", `
			A: queued A, tell A/1
			ok: confirmed A
			A: queued A, known A`},
		{"retries", merging, line{}, "A fail +1s fail +2s fail +5s fail +10s fail +30s fail +29s +1s ok +1h", `
			A: queued A, tell A/1
			fail: ended A, retry A 1s
			+1s: tell A/2
			fail: ended A, retry A 2s
			+2s: tell A/3
			fail: ended A, retry A 5s
			+5s: tell A/4
			fail: ended A, retry A 10s
			+10s: tell A/5
			fail: ended A, retry A 30s
			+30s: tell A/6
			fail: ended A, retry A 30s
			+29s:
			+1s: tell A/7
			ok: confirmed A
			+1h:`},
		{"no retry of what is no longer wanted", merging, line{}, "A fail B ok +1h", `
			A: queued A, tell A/1
			fail: ended A, retry A 1s
			B: queued B, tell B/1
			ok: confirmed B
			+1h:`},
		{"every transition, but no second try of an old one", everything, line{}, "A B C fail fail +1s ok", `
			A: queued A, tell A/1
			B: queued B
			C: queued C
			fail: ended A, tell B/1
			fail: ended B, tell C/1
			+1s:
			ok: confirmed C`},
		{"killed: told again, and twice more", merging, line{}, "A cut +1s ok +29s +1s ok +30s ok +1h", `
			A: queued A, tell A/1
			cut: killed A, retry A 1s
			+1s: tell A/2
			ok: confirmed A
			+29s:
			+1s: tell A/1
			ok: confirmed A
			+30s: tell A/1
			ok: confirmed A
			+1h:`},
		{"killed and overtaken: the newer one three times", merging, line{}, "A B cut ok +30s ok +30s ok +1h", `
			A: queued A, tell A/1
			B: queued B
			cut: killed A, tell B/1
			ok: confirmed B
			+30s: tell B/1
			ok: confirmed B
			+30s: tell B/1
			ok: confirmed B
			+1h:`},
		{"another one after a kill is the one that is told again", merging, line{}, "A cut +1s ok B ok +30s ok +30s ok +1h", `
			A: queued A, tell A/1
			cut: killed A, retry A 1s
			+1s: tell A/2
			ok: confirmed A
			B: queued B, tell B/1
			ok: confirmed B
			+30s: tell B/1
			ok: confirmed B
			+30s: tell B/1
			ok: confirmed B
			+1h:`},
		{"repeat", repeating, line{}, "A ok +59s +1s ok +1m", `
			A: queued A, tell A/1
			ok: confirmed A
			+59s:
			+1s: tell A/1
			ok: confirmed A
			+1m: tell A/1`},
		{"no repeat of what is gone", repeating, line{}, "A ok gone +1h A +59s +1s", `
			A: queued A, tell A/1
			ok: confirmed A
			gone:
			+1h:
			A: queued A, known A
			+59s:
			+1s: tell A/1`},
		{"gone while it is told", repeating, line{}, "A B gone fail fail +1h", `
			A: queued A, tell A/1
			B: queued B
			gone:
			fail: ended A, tell B/1
			fail: ended B
			+1h:`},
		{"verify", verifying, line{}, "MASTER ok =master +59s +1s =Master +1m", `
			MASTER: queued MASTER, tell MASTER/1
			ok: confirmed MASTER, ask
			=master:
			+59s:
			+1s: ask
			=Master:
			+1m: ask`},
		{"mismatch", verifying, line{}, "A ok =B +1s ok =B +2s ok =A +1m =A", `
			A: queued A, tell A/1
			ok: confirmed A, ask
			=B: mismatch A B, retry A 1s
			+1s: tell A/1
			ok: confirmed A, ask
			=B: mismatch A B, retry A 2s
			+2s: tell A/1
			ok: confirmed A, ask
			=A: verified A A
			+1m: ask
			=A:`},
		{"an answer of before the change", verifying, line{}, "A ok B =A ok =B", `
			A: queued A, tell A/1
			ok: confirmed A, ask
			B: queued B
			=A: tell B/1
			ok: confirmed B, ask
			=B:`},
		{"a mismatch when a newer one waits", verifying, line{}, "A ok B =B ok =B", `
			A: queued A, tell A/1
			ok: confirmed A, ask
			B: queued B
			=B: mismatch A B, tell B/1
			ok: confirmed B, ask
			=B:`},
		{"cannot be asked", verifying, line{}, "A ok =? +1m =? +1m =A", `
			A: queued A, tell A/1
			ok: confirmed A, ask
			=?: unasked A no answer
			+1m: ask
			=?:
			+1m: ask
			=A: verified A A`},
		{"held until the present is known", merging, line{held: true, unsure: true, waiting: []notice{of("A")}}, "+1h B ok", `
			+1h:
			B: queued B, merged A, tell B/1
			ok: confirmed B`},
		{"the first state of a life is the last confirmed one", repeating, line{held: true, confirmed: of("A"), at: epoch0}, "+1h A +1m", `
			+1h:
			A: queued A, known A
			+1m: tell A/1`},
		{"the first state of a life is another one", merging, line{held: true, confirmed: of("A"), at: epoch0}, "B ok", `
			B: queued B, tell B/1
			ok: confirmed B`},
		{"the first state of a life, and something was under way", merging, line{held: true, unsure: true, confirmed: of("A"), at: epoch0}, "A ok", `
			A: queued A, tell A/1
			ok: confirmed A`},
		{"an earlier life was cut", merging, line{held: true, again: 1, confirmed: of("A"), at: epoch0}, "A +30s ok +1h", `
			A: queued A, known A
			+30s: tell A/1
			ok: confirmed A
			+1h:`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			for s := range strings.Lines(strings.TrimSpace(tt.want)) {
				want = append(want, strings.TrimSpace(s))
			}
			if got := play(tt.from, tt.of, strings.Fields(tt.script)); got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}

var epoch0 = time.Unix(1_800_000_000, 0)

func of(state string) notice { return notice{Event: Event{State: state}} }

// play runs a script on a line and tells what came of it.
func play(l line, of Notifier, script []string) string {
	var all []string
	now := epoch0
	for _, word := range script {
		var done []string
		emit := func(n notice, what What, try int, took time.Duration, words string) {
			s := string(what) + " " + n.State
			if what == Retry {
				s += " " + took.String()
			}
			if words != "" {
				s += " " + words
			}
			done = append(done, s)
		}
		now = playWord(&l, word, now, of, emit)
		if j := l.take(now, of, emit); j != nil {
			if j.ask {
				done = append(done, "ask")
			} else {
				done = append(done, fmt.Sprintf("tell %s/%d", j.State, j.try))
			}
		}
		all = append(all, strings.TrimSpace(word+": "+strings.Join(done, ", ")))
	}
	return strings.Join(all, "\n")
}

func playWord(l *line, word string, now time.Time, n Notifier, emit emit) time.Time {
	switch {
	case word == "ok":
		l.told(Outcome{OK: true}, now, n, emit)
	case word == "fail":
		l.told(Outcome{}, now, n, emit)
	case word == "cut":
		l.told(Outcome{Cut: true}, now, n, emit)
	case word == "gone":
		l.left = true
	case word == "=?":
		l.asked("", errors.New("no answer"), now, n, emit)
	case word[0] == '=':
		l.asked(word[1:], nil, now, n, emit)
	case word[0] == '+':
		d, err := time.ParseDuration(word[1:])
		if err != nil {
			panic(err)
		}
		now = now.Add(d)
	default:
		l.add(of(word), n.Merge, emit)
	}
	return now
}

// A notifier that wants every transition and never ends gets the newest thousand.
func TestWaitingIsBounded(t *testing.T) {
	var l line
	merged := 0
	emit := func(_ notice, what What, _ int, _ time.Duration, words string) {
		if what == Merged {
			merged++
		}
	}
	for i := range 3 * mostWaiting {
		l.add(of(fmt.Sprint(i)), false, emit)
	}
	if len(l.waiting) != mostWaiting || merged != 2*mostWaiting || l.waiting[0].State != fmt.Sprint(2*mostWaiting) || l.waiting[mostWaiting-1].State != fmt.Sprint(3*mostWaiting-1) {
		t.Errorf("%d wait, %d merged, the last is %s", len(l.waiting), merged, l.waiting[len(l.waiting)-1].State)
	}
}
