package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestColourOnlyForPeople(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if !paintFor(pty) {
		t.Error("no colour on a terminal")
	}
	if paintFor(&bytes.Buffer{}) {
		t.Error("colour where no terminal is")
	}
	t.Setenv("TERM", "dumb")
	if paintFor(pty) {
		t.Error("colour on a dumb terminal")
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	if paintFor(pty) {
		t.Error("colour in spite of NO_COLOR")
	}
	if got := paint(true).in(red, "DOWN"); got != "\x1b[1;31mDOWN\x1b[0m" {
		t.Errorf("%q", got)
	}
	if got := paint(false).in(red, "DOWN"); got != "DOWN" {
		t.Errorf("%q", got)
	}
}

func TestTimesInWords(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local)
	for d, want := range map[time.Duration]string{
		0: "0s", 41 * time.Second: "41s", 59*time.Second + 999*time.Millisecond: "59s", 61 * time.Second: "1m1s",
		2*time.Hour + 13*time.Minute + 5*time.Second: "2h13m", 76 * time.Hour: "3d4h", -time.Minute: "0s",
	} {
		if got := age(now.Add(-d), now); got != want {
			t.Errorf("age of %v: %q, want %q", d, got, want)
		}
	}
	if got := age(time.Time{}, now); got != "-" {
		t.Errorf("age of never: %q", got)
	}
	for d, want := range map[time.Duration]string{
		0: "-", 10 * time.Microsecond: "0.1ms", 1234 * time.Microsecond: "1.2ms", 35 * time.Millisecond: "35ms",
		2 * time.Second: "2s", 2504 * time.Millisecond: "2.5s",
	} {
		if got := took(d); got != want {
			t.Errorf("took %v: %q, want %q", d, got, want)
		}
	}
	if got := clock(now.Add(-time.Minute), now); got != "09:59:00" {
		t.Errorf("a time of today: %q", got)
	}
	if got := clock(now.Add(-24*time.Hour), now); got != "2026-11-22 10:00:00" {
		t.Errorf("a time of yesterday: %q", got)
	}
}

// What a server sends cannot reach the terminal.
func TestOneLine(t *testing.T) {
	if got := oneLine("a\x1b[2Jb\r\nc\x9bd\u009b\x7f\tü"); strings.ContainsAny(got, "\x1b\r\n\t\x7f\u009b") || !strings.HasSuffix(got, "ü") {
		t.Errorf("%q", got)
	}
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"":                          {},
		"90s":                       now.Add(-90 * time.Second),
		"7d":                        now.AddDate(0, 0, -7),
		"2026-01-31":                time.Date(2026, 1, 31, 0, 0, 0, 0, time.Local),
		"2026-01-31 15:04":          time.Date(2026, 1, 31, 15, 4, 0, 0, time.Local),
		"2026-01-31T15:04:05+01:00": time.Date(2026, 1, 31, 14, 4, 5, 0, time.UTC),
	} {
		if got, err := moment("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "-3d", "1000000d", "25:00"} {
		if got, err := moment("--since", text, now); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}
