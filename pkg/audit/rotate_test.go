package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRotationUnderLoad has many writers at once while files are rotated, compressed, reopened and reconfigured: each
// line must be there once and whole, and those of one writer in order.
func TestRotationUnderLoad(t *testing.T) {
	const writers, each = 8, 2000
	file := filepath.Join(t.TempDir(), "audit.log")
	c := Config{File: file, MaxSize: 20 << 10, Compress: true}
	l := open(t, c)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				for l.Status().Waiting > maxWaiting/2 {
					time.Sleep(time.Millisecond)
				}
				l.Record(Entry{Event: EventCheck, Check: fmt.Sprint(w), Lost: i + 1})
				if i%500 == 0 {
					l.Reopen()
					if err := l.Set(Config{File: file, MaxSize: 20<<10 + int64(i), Compress: true}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	settled(t, l)
	next := map[string]int{}
	n := 0
	for e, err := range Read(file, Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if next[e.Check]++; e.Lost != next[e.Check] {
			t.Fatalf("writer %s: line %d where %d was due", e.Check, e.Lost, next[e.Check])
		}
		n++
	}
	if n != writers*each || l.Status().Lost != 0 {
		t.Errorf("%d lines, %d lost, want %d and 0", n, l.Status().Lost, writers*each)
	}
	list, err := archives(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 10 {
		t.Errorf("%d files put aside, want many", len(list))
	}
	for _, a := range list {
		if info, err := os.Stat(a.path); err == nil && !a.gz && info.Size() > 24<<10 {
			t.Errorf("%s has %d bytes", a.path, info.Size())
		}
	}
	until(t, "all compressed", func() bool {
		list, err := archives(file)
		return err == nil && !slices.ContainsFunc(list, func(a archive) bool { return !a.gz })
	})
}

func TestMaxFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "audit.log")
	other := file + ".1.gz" // logrotate's
	if err := os.WriteFile(other, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	l := open(t, Config{File: file, MaxSize: 200, MaxFiles: 3, Compress: true})
	record(l, 0, 50) // two or three lines a file
	settled(t, l)
	until(t, "three files left", func() bool {
		list, err := archives(file)
		return err == nil && len(list) == 3 && !slices.ContainsFunc(list, func(a archive) bool { return !a.gz })
	})
	got, _ := read(t, file, Filter{})
	if want := numbers(50-len(got), 50); len(got) < 4 || len(got) > 14 || !cmp.Equal(want, got) {
		t.Errorf("read %v, want the newest few", got)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file of others: %v", err)
	}
}

func TestMaxAge(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "audit.log")
	old := time.Now().Add(-48 * time.Hour)
	write := func(name string, e Entry) {
		t.Helper()
		if err := os.WriteFile(name, encode(e), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	gone, kept := file+"."+old.UTC().Format(stampForm), file+"."+old.Add(36*time.Hour).UTC().Format(stampForm)
	write(gone, Entry{Time: old.Add(-time.Hour), Event: EventCheck, Reason: "gone"})
	write(kept, Entry{Time: old, Event: EventCheck, Reason: "kept"})
	write(file, Entry{Time: old.Add(time.Hour), Event: EventCheck, Reason: "put aside"})
	half := kept + halfSuffix
	if err := os.WriteFile(half, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}

	l := open(t, Config{File: file, MaxSize: 1 << 20, MaxAge: 24 * time.Hour})
	record(l, 0, 1)
	settled(t, l)
	until(t, "the oldest is removed", func() bool {
		_, err := os.Stat(gone)
		_, errHalf := os.Stat(half)
		return err != nil && errHalf != nil
	})
	wantRead(t, file, []string{"kept", "put aside", "0"})
	if list, err := archives(file); err != nil || len(list) != 2 {
		t.Errorf("put aside: %v, %v", list, err)
	}
}

// TestRotationByOthers is what logrotate does: rename and signal, or copy and truncate. Our own rotation is off.
func TestRotationByOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{File: file, MaxFiles: 1, MaxAge: 1, Compress: true})
	record(l, 0, 10)
	settled(t, l)
	if err := os.Rename(file, file+".2"); err != nil {
		t.Fatal(err)
	}
	record(l, 10, 20) // without a signal
	settled(t, l)
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	until(t, "a new file", func() bool { _, err := os.Stat(file); return err == nil })
	record(l, 20, 25)
	settled(t, l)
	if err := os.Rename(file, file+".0"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o640); err != nil { // logrotate's create
		t.Fatal(err)
	}
	record(l, 25, 30)
	settled(t, l)
	wantRead(t, file, numbers(0, 30))

	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	record(l, 30, 40)
	settled(t, l)
	wantRead(t, file, slices.Concat(numbers(0, 25), numbers(30, 40)))
	b, err := os.ReadFile(file)
	if err != nil || strings.ContainsRune(string(b), 0) {
		t.Errorf("truncated file: %v, %q", err, b)
	}
}

// TestRotationFails takes away what a rename needs; the lines must come all the same.
func TestRotationFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, strings.Repeat("x", 240)) // with a stamp it is too long for a file name
	l := open(t, Config{File: file, MaxSize: 200})
	record(l, 0, 30)
	settled(t, l)
	wantRead(t, file, numbers(0, 30))
	if s := l.Status(); !strings.Contains(s.Upkeep, "rotate audit file") {
		t.Errorf("status %+v", s)
	}
}
