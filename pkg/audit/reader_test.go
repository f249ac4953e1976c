package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// minutes gives one line a minute.
func minutes(from, to int) []byte {
	var b []byte
	for i := from; i < to; i++ {
		b = append(b, encode(Entry{Time: noon.Add(time.Duration(i) * time.Minute), Event: EventCheck, Reason: fmt.Sprint(i)})...)
	}
	return b
}

// put writes a file as it was left at the given minute.
func put(t *testing.T, name string, b []byte, minute int) {
	t.Helper()
	if strings.HasSuffix(name, ".gz") {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b = z.Bytes()
	}
	if err := os.WriteFile(name, b, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, time.Time{}, noon.Add(time.Duration(minute)*time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// TestReadRotated has files named by us and by logrotate, whose names say nothing of their order.
func TestReadRotated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	put(t, file+".3.gz", minutes(0, 10), 9)
	put(t, file+".2.gz", minutes(10, 20), 19)
	put(t, file+"-20261123", minutes(20, 30), 29)
	put(t, file+".20261123T123959.000000Z.gz", minutes(30, 40), 39)
	put(t, file+".20261123T123959.000000Z", minutes(30, 40), 39) // compressed, not yet removed
	put(t, file+".20261123T124959.000000Z", minutes(40, 50), 49)
	put(t, file, minutes(50, 60), 59)
	for _, name := range []string{".bak", ".20261123T123959.000000Z.gz.part", "~", "2", ".old.gz"} {
		put(t, file+name, minutes(100, 110), 109)
	}
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	for _, tt := range []struct {
		name   string
		filter Filter
		want   []string
	}{
		{"all", Filter{}, numbers(0, 60)},
		{"since a file's first line", Filter{Since: at(20)}, numbers(20, 60)},
		{"since the midst", Filter{Since: at(15)}, numbers(15, 60)},
		{"until", Filter{Until: at(15)}, numbers(0, 15)},
		{"both", Filter{Since: at(35), Until: at(45)}, numbers(35, 45)},
		{"none", Filter{Since: at(60)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := read(t, file, tt.filter)
			if diff := cmp.Diff(tt.want, got); diff != "" || errs != nil {
				t.Errorf("(-want +got), errors %v:\n%s", errs, diff)
			}
		})
	}
	t.Run("stops when told", func(t *testing.T) {
		for range Read(file, Filter{}) {
			break
		}
	})
}

func TestReadDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	put(t, file+".1.gz", minutes(0, 1000), 0)
	b, err := os.ReadFile(file + ".1.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".1.gz", b[:len(b)/2], 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file+".1.gz", time.Time{}, noon); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".2.gz", []byte("this is not gzip"), 0o640); err != nil {
		t.Fatal(err)
	}
	put(t, file, slices.Concat(
		minutes(2000, 2001),
		[]byte("\n"),
		[]byte("\x00\x00\x00\n"),
		[]byte(`{"time":"2026-11-23T21:00:00Z"}`+"\n"),
		[]byte(`{"event":"check"}`+"\n"),
		bytes.Repeat([]byte("x"), 300<<10), []byte("\n"),
		minutes(2001, 2002),
		[]byte(`{"time":"2026-1`),
	), 0)
	got, errs := read(t, file, Filter{})
	if n := len(got) - 2; n < 10 || !cmp.Equal(got, slices.Concat(numbers(0, n), numbers(2000, 2002))) {
		t.Errorf("read %d entries: %v", len(got), got)
	}
	var bad []int
	var other []string
	for _, err := range errs {
		var line *BadLineError
		if errors.As(err, &line) && line.File == file {
			bad = append(bad, line.Line)
		} else {
			other = append(other, err.Error())
		}
	}
	if !cmp.Equal(bad, []int{3, 4, 5, 6, 8}) {
		t.Errorf("bad lines %v", bad)
	}
	for _, err := range Read(file, Filter{Since: noon.Add(time.Hour)}) {
		if err == nil || !strings.Contains(err.Error(), "gzip: invalid header") {
			t.Errorf("read of files that ended before what is wanted: %v", err)
		}
	}
	// The half of a compressed file may end in the middle of a line.
	if s := strings.Join(other, "\n"); !strings.Contains(s, "gzip: invalid header") || !strings.Contains(s, "unexpected EOF") {
		t.Errorf("other errors:\n%s", s)
	}
}

func TestFilter(t *testing.T) {
	e := Entry{Time: noon, Event: EventServer, Actor: "check", Service: "news", Server: "[2001:db8::1]:80"}
	for _, tt := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{Service: "news", Server: "2001:db8::1", Actor: "check", Event: EventServer, Since: noon, Until: noon.Add(1)}, true},
		{Filter{Server: "[2001:db8::1]:80"}, true},
		{Filter{Server: "[2001:DB8:0::1]:80"}, true},
		{Filter{Server: "[2001:db8::1]:81"}, false},
		{Filter{Server: "2001:db8::2"}, false},
		{Filter{Server: "2001"}, false},
		{Filter{Service: "new"}, false},
		{Filter{Actor: "drift"}, false},
		{Filter{Event: EventCheck}, false},
		{Filter{Since: noon.Add(1)}, false},
		{Filter{Until: noon}, false},
	} {
		if got := tt.filter.Match(e); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.filter, got, tt.want)
		}
	}
}

// follower reads in the background what Follow gives.
func follower(t *testing.T, file string, f Filter) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, ended := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range Follow(ctx, file, f) {
			if err != nil {
				out <- "error: " + err.Error()
			} else {
				out <- e.Reason
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if len(out) > 0 {
			t.Errorf("more followed: %v", <-out)
		}
	})
	return out
}

func wantFollowed(t *testing.T, out <-chan string, want []string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-out:
			if got != w {
				t.Fatalf("followed %q, want %q", got, w)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing followed, want %q", w)
		}
	}
}

func TestFollow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	out := follower(t, file, Filter{}) // the file comes later
	l := open(t, Config{File: file, MaxSize: 1000, Compress: true})
	record(l, 0, 3)
	wantFollowed(t, out, numbers(0, 3))
	record(l, 3, 200) // many rotations between two looks
	wantFollowed(t, out, numbers(3, 200))
	again := follower(t, file, Filter{})
	wantFollowed(t, again, numbers(0, 200))
	record(l, 200, 210)
	wantFollowed(t, out, numbers(200, 210))
	wantFollowed(t, again, numbers(200, 210))
}

func TestFollowByHand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	put(t, file+".1", minutes(0, 5), 4)
	put(t, file, minutes(5, 10), 9)
	out := follower(t, file, Filter{Since: noon.Add(5 * time.Minute)})
	wantFollowed(t, out, numbers(5, 10))

	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(b []byte) {
		t.Helper()
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	line := minutes(10, 11)
	write(line[:20])
	time.Sleep(2 * followTime) // half a line is not given; were it, wantFollowed would see an error
	write(line[20:])
	wantFollowed(t, out, numbers(10, 11))

	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * followTime) // a truncation is seen only if it is looked at before the file has grown as long
	write(minutes(11, 12))
	wantFollowed(t, out, numbers(11, 12))

	if err := os.Rename(file, file+".2"); err != nil {
		t.Fatal(err)
	}
	write(minutes(12, 13)) // to the renamed file
	write([]byte(`{"time`))
	put(t, file, minutes(13, 15), 14)
	wantFollowed(t, out, []string{"12", "error: read " + file + ": line 3: unexpected end of JSON input", "13", "14"})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	put(t, file, minutes(15, 16), 15)
	wantFollowed(t, out, numbers(15, 16))
}

func TestText(t *testing.T) {
	uid := uint32(1000)
	for _, tt := range []struct {
		e    Entry
		want string
	}{
		{
			Entry{Event: EventServer, Actor: "check", Service: "news", Virtual: "tcp 192.0.2.1:80", Server: "10.0.0.1:80", From: "in", To: "out", Reason: "alive: status 503"},
			`2026-11-23 13:00:00.000  check    server  news tcp 192.0.2.1:80 10.0.0.1:80                 in -> out  (alive: status 503)`,
		},
		{
			Entry{Event: EventTable, Actor: "operator", UID: &uid, Virtual: "tcp 192.0.2.1:80", Command: "-d -t 192.0.2.1:80 -r 10.0.0.1:80", Error: "no such file"},
			`2026-11-23 13:00:00.000  operator table   tcp 192.0.2.1:80                                  ipvsadm -d -t 192.0.2.1:80 -r 10.0.0.1:80  by uid 1000  error: no such file`,
		},
		{Entry{Event: EventLost, Actor: "lvsd", Lost: 7}, `2026-11-23 13:00:00.000  lvsd     lost                                                      7 lines lost`},
		{Entry{Event: EventDaemon, To: "ready"}, `2026-11-23 13:00:00.000           daemon                                                    - -> ready`},
		{Entry{Event: EventDaemon, Reason: "a\x1b[2J\"b\"\nc ä \xff\u202e"}, `2026-11-23 13:00:00.000           daemon                                                    (a\x1b[2J"b"\nc ä \xff\u202e)`},
	} {
		tt.e.Time = noon
		if got := tt.e.Text(time.FixedZone("", 3600)); got != tt.want {
			t.Errorf("got\n%s, want\n%s", got, tt.want)
		}
	}
}

// FuzzRead gives any bytes as a file: reading ends, in lines no longer than allowed, whatever the pieces in which they
// come, and each entry that is read is written and read again as the same.
func FuzzRead(f *testing.F) {
	f.Add(minutes(0, 3))
	f.Add([]byte("\n\n{\"time\":\"2026-11-23T12:00:00Z\",\"event\":\"check\",\"uid\":0,\"lost\":-1}\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, single := newLines(bytes.NewReader(b)), newLines(iotest.OneByteReader(bytes.NewReader(b)))
		for {
			line, err := whole.next()
			same, errSame := single.next()
			if !bytes.Equal(line, same) || !errors.Is(errSame, err) {
				t.Fatalf("in pieces: %q, %v; at once: %q, %v", same, errSame, line, err)
			}
			if err != nil && !errors.Is(err, errTooLong) {
				break
			}
			if len(line) > maxRead || bytes.IndexByte(line, '\n') >= 0 {
				t.Fatalf("line of %d bytes", len(line))
			}
			e, err := decode(line)
			if err != nil {
				continue
			}
			_ = e.Text(time.UTC)
			out := encode(e)
			if len(out) > maxLine || bytes.IndexByte(out, '\n') != len(out)-1 {
				t.Fatalf("written as %q", out)
			}
			e.Time = e.Time.UTC().Truncate(time.Microsecond)
			back, err := decode(out[:len(out)-1])
			if y := e.Time.Year(); y < 1 || y > 9999 || e.Time.IsZero() {
				continue // not a time that can be read again
			}
			if err != nil || len(line) < 128 && !cmp.Equal(e, back) {
				t.Fatalf("read again as %+v, %v; was %+v", back, err, e)
			}
		}
		rest, err := whole.rest()
		if !bytes.HasSuffix(b, rest) || len(rest) > maxRead || (err != nil) != (len(b)-bytes.LastIndexByte(b, '\n')-1 > maxRead) {
			t.Fatalf("rest %q, %v", rest, err)
		}
	})
}

// A pipe is refused, and its writer is not waited for.
func TestReadPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		var said []string
		for _, err := range Read(file, Filter{}) {
			if err != nil {
				said = append(said, err.Error())
			}
		}
		told <- strings.Join(said, ", ")
	}()
	select {
	case said := <-told:
		if want := "read " + file + ": not a regular file"; said != want {
			t.Errorf("%q, want %q", said, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("waits for the pipe's writer")
	}
}
