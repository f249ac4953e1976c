package audit

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if file := os.Getenv("AUDIT_TEST_WRITER"); file != "" {
		writeForEver(file)
	}
	goleak.VerifyTestMain(m)
}

// open opens a log that the test closes at its end.
func open(t *testing.T, c Config) *Log {
	t.Helper()
	l, err := Open(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLog(t, l) })
	return l
}

func closeLog(t *testing.T, l *Log) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return l.Close(ctx)
}

// until waits for what must come true soon.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func settled(t *testing.T, l *Log) {
	t.Helper()
	until(t, "all lines written", func() bool { s := l.Status(); return s.Waiting == 0 && s.Error == "" && s.Size > 0 })
}

// read gives the reasons of all entries that can be read, and the errors.
func read(t *testing.T, file string, f Filter) (reasons []string, errs []error) {
	t.Helper()
	for e, err := range Read(file, f) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if e.Event == EventLost {
			e.Reason = fmt.Sprintf("lost %d", e.Lost)
		}
		reasons = append(reasons, e.Reason)
	}
	return reasons, errs
}

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func record(l *Log, from, to int) {
	for i := from; i < to; i++ {
		l.Record(Entry{Event: EventCheck, Reason: fmt.Sprint(i)})
	}
}

func wantRead(t *testing.T, file string, want []string) {
	t.Helper()
	got, errs := read(t, file, Filter{})
	if diff := cmp.Diff(want, got); diff != "" || errs != nil {
		t.Errorf("read (-want +got), errors %v:\n%s", errs, diff)
	}
}

func TestRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{File: file})
	uid := uint32(1000)
	at := time.Date(2026, 11, 23, 22, 0, 0, 123456789, time.FixedZone("", 3600))
	l.Record(Entry{
		Time: at, Event: EventTable, Actor: "operator", UID: &uid, Service: "news", Virtual: "tcp 192.0.2.1:80",
		Server: "10.0.0.1:80", From: "in", To: "out", Command: "-d -t 192.0.2.1:80 -r 10.0.0.1:80", Reason: "a < b & c\nd",
	})
	settled(t, l)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-11-23T21:00:00.123456Z","event":"table","actor":"operator","uid":1000,"service":"news",` +
		`"virtual":"tcp 192.0.2.1:80","server":"10.0.0.1:80","from":"in","to":"out",` +
		`"command":"-d -t 192.0.2.1:80 -r 10.0.0.1:80","reason":"a < b & c\nd"}` + "\n"
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("permissions %v, want 0640", info.Mode().Perm())
	}
	if s := l.Status(); s.File != file || s.Size != int64(len(want)) || s.Lost != 0 || !s.Since.IsZero() {
		t.Errorf("status %+v", s)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{{}, {File: "audit.log"}, {File: "/x", MaxSize: -1}, {File: "/x", MaxFiles: -1}, {File: "/x", MaxAge: -1}} {
		if l, err := Open(c, nil); err == nil {
			closeLog(t, l)
			t.Errorf("Open(%+v) took it", c)
		}
	}
}

func TestLongLinesAreCut(t *testing.T) {
	for _, s := range []string{strings.Repeat("ä", 1<<20), strings.Repeat("\x00", 1<<20), strings.Repeat("\xff", 1<<20), strings.Repeat("x", 1<<20)} {
		e := Entry{Time: time.Now(), Event: s, Actor: s, Service: s, Virtual: s, Server: s, Check: s, From: s, To: s, Command: s, Reason: s, Error: s}
		line := encode(e)
		if len(line) > maxLine {
			t.Errorf("a line of %d bytes, want at most %d", len(line), maxLine)
		}
		got, err := decode(line)
		if err != nil {
			t.Fatalf("cut line cannot be read: %v", err)
		}
		if !strings.HasSuffix(got.Reason, "…") {
			t.Errorf("a cut string does not say so: %q", got.Reason[max(0, len(got.Reason)-10):])
		}
	}
	if got := cut(Entry{Reason: strings.Repeat("ä", 100)}, 10).Reason; got != "äää…" {
		t.Errorf("cut to %q", got)
	}
}

func TestTornLineIsEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	torn := `{"time":"2026-11-23T21:00:00Z","event":"check","reason":"whole"}` + "\n" + `{"time":"2026-11-2`
	if err := os.WriteFile(file, []byte(torn), 0o640); err != nil {
		t.Fatal(err)
	}
	l := open(t, Config{File: file})
	record(l, 0, 2)
	settled(t, l)
	got, errs := read(t, file, Filter{})
	if diff := cmp.Diff([]string{"whole", "0", "1"}, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "line 2") {
		t.Errorf("errors %v, want one about line 2", errs)
	}
}

func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(dir, "audit.log")
	reports := make(chan error, 10)
	l, err := Open(Config{File: file, MaxSize: 64 << 20}, func(err error) { reports <- err })
	if err != nil {
		t.Fatal(err)
	}
	if err := <-reports; err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("report %v", err)
	}
	began := time.Now()
	record(l, 0, maxWaiting+100)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("callers waited %v", took)
	}
	if s := l.Status(); s.Error == "" || s.Since.IsZero() || s.Waiting != maxWaiting || s.Lost != 100 {
		t.Errorf("status %+v", s)
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	l.Reopen() // without it, within retryMost
	if err := <-reports; err != nil {
		t.Errorf("report %v, want that it writes again", err)
	}
	settled(t, l)
	wantRead(t, file, append([]string{"lost 100"}, numbers(0, maxWaiting)...))
	if s := l.Status(); s.Lost != 100 || s.Error != "" || !s.Since.IsZero() {
		t.Errorf("status %+v", s)
	}
	if err := closeLog(t, l); err != nil {
		t.Error(err)
	}
	l.Record(Entry{Event: EventCheck})
	if s := l.Status(); s.Lost != 101 {
		t.Errorf("a line after Close: %+v", s)
	}
}

// TestRetriesByItself leaves the error to its back-off.
func TestRetriesByItself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	file := filepath.Join(dir, "audit.log")
	l := open(t, Config{File: file})
	record(l, 0, 3)
	until(t, "an error", func() bool { return l.Status().Error != "" })
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	settled(t, l)
	wantRead(t, file, numbers(0, 3))
}

// TestErrorIsNotWaitedOut comes when the next attempt is seconds away: neither Reopen nor Close waits for it.
func TestErrorIsNotWaitedOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Config{File: filepath.Join(dir, "audit.log")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		lagging := func() time.Time {
			time.Sleep(time.Hour + time.Millisecond)
			synctest.Wait()
			if s := l.Status(); s.Error == "" {
				t.Fatalf("status %+v", s)
			}
			return time.Now()
		}
		since := lagging()
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		l.Reopen()
		synctest.Wait()
		if s := l.Status(); s.Error != "" || !time.Now().Equal(since) {
			t.Errorf("after Reopen: %+v, %v later", s, time.Since(since))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		record(l, 0, 3)
		since = lagging()
		if err := closeLog(t, l); err == nil || !strings.Contains(err.Error(), "3 lines not written") || !time.Now().Equal(since) {
			t.Errorf("Close: %v, %v later", err, time.Since(since))
		}
	})
}

func TestCloseGivesUp(t *testing.T) {
	l, err := Open(Config{File: "/proc/audit.log"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	record(l, 0, 700) // more than a batch
	if err := closeLog(t, l); err == nil || !strings.Contains(err.Error(), "700 lines not written") {
		t.Errorf("Close: %v", err)
	}
}

func TestNotAFile(t *testing.T) {
	l := open(t, Config{File: "/dev/null"})
	until(t, "an error", func() bool { return strings.Contains(l.Status().Error, "not a regular file") })
}

func TestSetAnotherFile(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	l := open(t, Config{File: one})
	record(l, 0, 5)
	settled(t, l)
	if err := l.Set(Config{File: two}); err != nil {
		t.Fatal(err)
	}
	record(l, 5, 9)
	until(t, "the other file", func() bool { s := l.Status(); return s.File == two && s.Waiting == 0 && s.Size > 0 })
	wantRead(t, one, numbers(0, 5))
	wantRead(t, two, numbers(5, 9))
	if err := l.Set(Config{}); err == nil {
		t.Error("Set took no file")
	}
}

func TestReadNothing(t *testing.T) {
	got, errs := read(t, filepath.Join(t.TempDir(), "audit.log"), Filter{})
	if len(got) != 0 || len(errs) != 1 || !onlyMissing(errs[0]) || !strings.Contains(errs[0].Error(), fs.ErrNotExist.Error()[:4]) {
		t.Errorf("read %v, %v", got, errs)
	}
}
