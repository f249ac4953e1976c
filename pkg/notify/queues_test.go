package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tellerFunc tells by a function.
type tellerFunc func(ctx context.Context, t Told) Outcome

func (f tellerFunc) Tell(ctx context.Context, t Told) Outcome { return f(ctx, t) }

type verifierFunc func() (string, error)

func (f verifierFunc) Role(context.Context, Told) (string, error) { return f() }

// log collects what is told, recorded and complained of. It is safe for many goroutines.
type log struct {
	sync.Mutex
	told     []Told
	steps    []Step
	troubles []error
}

func (l *log) record(s Step) {
	l.Lock()
	defer l.Unlock()
	l.steps = append(l.steps, s)
}

func (l *log) trouble(err error) {
	l.Lock()
	defer l.Unlock()
	l.troubles = append(l.troubles, err)
}

// takes gives a Teller to whom each telling takes so long, and then succeeds.
func (l *log) takes(d time.Duration) Teller {
	return tellerFunc(func(ctx context.Context, t Told) Outcome {
		l.Lock()
		l.told = append(l.told, t)
		l.Unlock()
		select {
		case <-time.After(d):
			return Outcome{OK: true, Words: "exit 0"}
		case <-ctx.Done():
			return Outcome{Cut: true, Words: "killed"}
		}
	})
}

// states tells what was told since the last call, as "vrrp:VI_1=MASTER".
func (l *log) states() string {
	l.Lock()
	defer l.Unlock()
	words := make([]string, len(l.told))
	for i, t := range l.told {
		words[i] = t.Subject.String() + "=" + t.State
	}
	l.told = nil
	return strings.Join(words, " ")
}

func (l *log) complaints() string {
	l.Lock()
	defer l.Unlock()
	return fmt.Sprint(l.troubles)
}

func event(subject, state string) Event {
	kind, name, _ := strings.Cut(subject, ":")
	return Event{Subject: Subject{kind, name}, State: state, At: time.Now()}
}

func (l *log) notifier(name string, d time.Duration, subjects ...string) Notifier {
	return Notifier{Name: name, Subjects: subjects, Timeout: 30 * time.Second, Merge: true, Teller: l.takes(d)}
}

func closeNow(t *testing.T, q *Queues) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		t.Error(err)
	}
}

// wait lets some time of the bubble pass, and everything that happens then.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhoIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(t.TempDir(), "lvs-a", l.record, l.trouble)
		defer closeNow(t, q)
		q.Set([]Notifier{l.notifier("a", time.Second, "vrrp:*", "config"), l.notifier("b", time.Second, "vrrp:VI_2")})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		wait(time.Minute)
		if got := l.states(); got != "vrrp:VI_1=MASTER" {
			t.Error(got)
		}
		q.Tell(event("service:news", "DOWN"))
		q.Tell(event("config", "LOADED"))
		wait(time.Minute)
		if got := l.states(); got != "config=LOADED" {
			t.Error(got)
		}
		member := event("vrrp:VI_2", "MASTER")
		member.Member = true
		q.Tell(member) // the one that names it is told, the other hears of the group
		wait(time.Minute)
		if got := l.states(); got != "vrrp:VI_2=MASTER" {
			t.Error(got)
		}
		if l.troubles != nil {
			t.Error(l.troubles)
		}
	})
}

func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Told
		fails := 1
		q := Open(t.TempDir(), "lvs-a", func(Step) {}, func(err error) { t.Error(err) })
		defer closeNow(t, q)
		q.Set([]Notifier{{Name: "a", Subjects: []string{"vrrp:*"}, Timeout: time.Second, Merge: true, Teller: tellerFunc(func(ctx context.Context, x Told) Outcome {
			got = append(got, x)
			fails--
			return Outcome{OK: fails < 0}
		})}})
		e := event("vrrp:VI_1", "MASTER")
		e.Priority, e.Peer, e.Reason, e.Mono = 100, "198.51.100.102", "no advert for 3.6 s", time.Hour
		q.Tell(e)
		wait(time.Minute)
		if len(got) != 2 || got[0].Event != e || got[1].Event != e || got[0].Epoch != got[1].Epoch ||
			got[0].Try != 1 || got[1].Try != 2 || got[0].Node != "lvs-a" {
			t.Errorf("%+v", got)
		}
		q.Tell(event("vrrp:VI_1", "BACKUP"))
		wait(time.Minute)
		if len(got) != 3 || got[2].Mono == 0 {
			t.Errorf("an event without a moment: %+v", got[2:])
		}
	})
}

// Programs for others never hold up a role, and there are never more than a few of them.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(t.TempDir(), "", l.record, l.trouble)
		defer closeNow(t, q)
		q.Set([]Notifier{l.notifier("a", 10*time.Second, "vrrp:*", "server:*")})
		for i := range 100 {
			q.Tell(event(fmt.Sprintf("server:news/10.0.0.%d:80", i), "DOWN"))
		}
		wait(time.Second)
		if n := len(strings.Fields(l.states())); n != mostNews {
			t.Errorf("%d at once, want %d", n, mostNews)
		}
		q.Tell(event("vrrp:VI_1", "MASTER"))
		q.Tell(event("server:news/10.0.0.99:80", "UP")) // it waits still, and is told once
		wait(0)
		if got := l.states(); got != "vrrp:VI_1=MASTER" {
			t.Errorf("a role had to wait: %q", got)
		}
		wait(time.Minute)
		rest := l.states()
		if n := len(strings.Fields(rest)); n != 100-mostNews || strings.Contains(rest, "99:80=DOWN") || !strings.Contains(rest, "99:80=UP") {
			t.Errorf("%d told afterwards: %s", n, rest)
		}
	})
}

func TestSetWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(t.TempDir(), "", l.record, l.trouble)
		defer closeNow(t, q)
		a := l.notifier("a", 10*time.Second, "vrrp:*")
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		q.Tell(event("vrrp:VI_1", "BACKUP"))
		wait(time.Second)
		q.Set([]Notifier{a, l.notifier("new", time.Second, "vrrp:*")})
		wait(5 * time.Second)
		if got := l.states(); got != "vrrp:VI_1=MASTER vrrp:VI_1=BACKUP" { // the second is the new one's
			t.Errorf("a running telling goes on, and a new notifier hears of the present role: %s", got)
		}
		q.Set(nil)
		wait(time.Minute)
		if got := l.states(); got != "" || len(q.State()) != 0 {
			t.Errorf("nobody is to be told, yet %q, %v", got, q.State())
		}
		if last := q.History(); last[len(last)-1].What != Confirmed || !slices.ContainsFunc(last, func(s Step) bool { return s.What == Dropped && s.State == "BACKUP" }) {
			t.Errorf("history %v", last)
		}
		q.Set([]Notifier{a}) // again: it hears of the present role
		wait(time.Minute)
		if got := l.states(); got != "vrrp:VI_1=BACKUP" {
			t.Error(got)
		}
	})
}

// A notifier that is taken out and put back while it runs is still told one thing at a time.
func TestSetBackWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(t.TempDir(), "", l.record, l.trouble)
		defer closeNow(t, q)
		a := l.notifier("a", 10*time.Second, "vrrp:*")
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		wait(time.Second)
		q.Set(nil)
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "BACKUP"))
		wait(time.Second)
		if got := l.states(); got != "vrrp:VI_1=MASTER" {
			t.Errorf("two at once: %s", got)
		}
		wait(time.Minute)
		if got := l.states(); got != "vrrp:VI_1=BACKUP" {
			t.Error(got)
		}
		a.Repeat = time.Minute
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		q.Set(nil)
		q.Set([]Notifier{a})
		wait(time.Minute + 30*time.Second)
		if got := l.states(); got != "vrrp:VI_1=MASTER vrrp:VI_1=MASTER" {
			t.Errorf("it is to be repeated again: %s", got)
		}
	})
}

// Whatever a role is told, the state file says before that it was begun.
func TestBegunIsOnTheDiskBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		dir := t.TempDir()
		q := Open(dir, "", l.record, l.trouble)
		defer closeNow(t, q)
		n := 0
		q.Set([]Notifier{{Name: "a", Subjects: []string{"vrrp:*"}, Timeout: time.Second, Merge: true, Teller: tellerFunc(func(_ context.Context, x Told) Outcome {
			n++
			k, err := readKept(filepath.Join(dir, stateFile))
			if err != nil || len(k.Lines) != 1 || !k.Lines[0].Unsure || k.Lines[0].Current == nil || k.Lines[0].Current.Epoch != x.Epoch {
				t.Errorf("%s is told, and kept is %+v, %v", x.State, k, err)
			}
			return Outcome{OK: true}
		})}})
		for i := range 5 {
			q.Tell(event("vrrp:VI_1", fmt.Sprint(i)))
			wait(10 * time.Millisecond)
			k, err := readKept(filepath.Join(dir, stateFile))
			if err != nil || k.Lines[0].Unsure || k.Lines[0].Confirmed.State != fmt.Sprint(i) {
				t.Errorf("%d is confirmed, and kept is %+v, %v", i, k, err)
			}
		}
		if n != 5 {
			t.Errorf("%d told", n)
		}
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(t.TempDir(), "", l.record, l.trouble)
		defer closeNow(t, q)
		a := l.notifier("a", time.Second, "vrrp:*")
		a.Repeat = time.Minute
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		q.Forget(Subject{"vrrp", "VI_1"})
		wait(time.Hour)
		if got := l.states(); got != "vrrp:VI_1=MASTER" {
			t.Error(got)
		}
	})
}

func TestMismatchAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		var role atomic.Value
		role.Store("BACKUP")
		q := Open(t.TempDir(), "", l.record, l.trouble)
		defer closeNow(t, q)
		a := l.notifier("a", time.Second, "vrrp:*")
		a.Verify = verifierFunc(func() (string, error) { return role.Load().(string), nil })
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		wait(3 * time.Second)
		if got := q.State()[0]; got.Mismatch != "BACKUP" || !got.Unsure {
			t.Errorf("%+v", got)
		}
		wait(time.Minute)
		role.Store("master")
		wait(time.Minute)
		const want = `[verify vrrp:VI_1 at notifier a: it says "BACKUP", and not "MASTER"; told again]`
		if got := l.complaints(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := q.State()[0]; got.Mismatch != "" || got.Unsure || got.Confirmed != "MASTER" {
			t.Errorf("%+v", got)
		}
	})
}

// What was not told stays wanted over a restart: news is told at once, a role when the present one is known.
func TestNextLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		dir := t.TempDir()
		q := Open(dir, "", l.record, l.trouble)
		set := []Notifier{l.notifier("a", time.Second, "vrrp:*"), l.notifier("ops", 20*time.Second, "server:*")}
		q.Set(set)
		q.Tell(event("vrrp:VI_1", "MASTER"))
		wait(2 * time.Second)
		q.Tell(event("server:a", "DOWN"))
		q.Tell(event("server:a", "UP"))
		q.Tell(event("vrrp:VI_1", "BACKUP"))
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		cancel()
		if err := q.Close(ctx); err != nil {
			t.Fatal(err)
		}
		q.Tell(event("vrrp:VI_1", "FAULT")) // too late: it does nothing
		epoch := l.steps[len(l.steps)-1].Epoch
		l.states()

		q = Open(dir, "", l.record, l.trouble)
		wait(time.Minute)
		if got := l.states(); got != "" {
			t.Errorf("told before it was said to whom: %s", got)
		}
		q.Set(set)
		wait(25 * time.Second)
		if got := l.states(); got != "server:a=UP" {
			t.Errorf("news of an earlier life, the newest: %q", got)
		}
		if s := q.State(); len(s) != 2 || !s[0].Held || !s[0].Unsure || s[0].Confirmed != "MASTER" {
			t.Errorf("%+v", s)
		}
		q.Tell(event("vrrp:VI_1", "MASTER")) // which was confirmed, but BACKUP was begun since
		wait(10 * time.Second)
		if got := l.states(); got != "vrrp:VI_1=MASTER" {
			t.Errorf("%q", got)
		}
		if last := l.steps[len(l.steps)-1]; last.What != Confirmed || last.State != "MASTER" || last.Epoch <= epoch {
			t.Errorf("%+v, after epoch %d", last, epoch)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if l.troubles != nil {
			t.Error(l.troubles)
		}
	})
}

func TestABadStateFileIsDoneWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(`{"format":1,"ep`), 0o600); err != nil {
			t.Fatal(err)
		}
		q := Open(dir, "", l.record, l.trouble)
		q.Set([]Notifier{l.notifier("a", time.Second, "vrrp:*")})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		wait(5 * time.Second)
		if got := l.states(); got != "vrrp:VI_1=MASTER" || !strings.Contains(l.complaints(), "unexpected EOF") {
			t.Errorf("%q, %v", got, l.complaints())
		}
		closeNow(t, q)
		if k, err := readKept(filepath.Join(dir, stateFile)); err != nil || len(k.Lines) != 1 {
			t.Errorf("%v, %v", k, err)
		}
	})
}

// Without a disk everybody is told all the same, and the operator is told once.
func TestWithoutADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(filepath.Join(t.TempDir(), "missing"), "", l.record, l.trouble)
		q.Set([]Notifier{l.notifier("a", time.Second, "vrrp:*")})
		for i := range 5 {
			q.Tell(event("vrrp:VI_1", fmt.Sprint(i)))
			wait(5 * time.Second)
		}
		if got := len(strings.Fields(l.states())); got != 5 {
			t.Errorf("%d told", got)
		}
		if err := q.Close(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("closed with %v", err)
		}
		if len(l.troubles) != 1 {
			t.Error(l.troubles)
		}
	})
}

// A telling that cannot be ended holds up nobody but its own subject, and Close says so.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		stuck := make(chan struct{})
		q := Open(t.TempDir(), "", l.record, l.trouble)
		a := l.notifier("a", 0, "vrrp:VI_1")
		a.Teller = tellerFunc(func(context.Context, Told) Outcome { <-stuck; return Outcome{Cut: true} })
		q.Set([]Notifier{a})
		q.Tell(event("vrrp:VI_1", "MASTER"))
		wait(time.Hour)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := q.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 cannot be ended") {
			t.Errorf("closed with %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		close(stuck)
		synctest.Wait()
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		q := Open(t.TempDir(), "", l.record, l.trouble)
		defer closeNow(t, q)
		q.Set([]Notifier{l.notifier("a", time.Hour, "config")})
		for i := range 2*mostHistory + 5 {
			q.Tell(event("config", fmt.Sprint(i)))
		}
		h := q.History()
		if len(h) != mostHistory || !slices.IsSortedFunc(h, func(a, b Step) int { return a.At.Compare(b.At) }) || h[len(h)-1].State != fmt.Sprint(2*mostHistory+3) {
			t.Errorf("%d steps, the last %+v", len(h), h[len(h)-1])
		}
	})
}
