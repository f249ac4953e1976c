package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

func TestLogFormats(t *testing.T) {
	for _, test := range []struct{ format, want string }{
		{"json", `{"level":"warn","service":"web","time":"`},
		{"auto", `{"level":"warn","service":"web","time":"`},
		{"journal", "<4>quorum lost service=web\n"},
		{"console", "WRN quorum lost service=web\n"},
	} {
		got := logged(t, test.format)
		if !strings.Contains(got, test.want) || strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q, want one line with %q", test.format, got, test.want)
		}
	}
	for _, bad := range [][2]string{{"xml", "info"}, {"json", "loud"}, {"json", ""}, {"json", "trace"}} {
		if _, _, err := newLogger(os.Stderr, bad[0], bad[1]); err == nil {
			t.Errorf("format %q, level %q were taken", bad[0], bad[1])
		} else if _, usage := errors.AsType[usageError](err); !usage {
			t.Errorf("format %q, level %q: %v is no error of usage", bad[0], bad[1], err)
		}
	}
}

func logged(t *testing.T, format string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log, flush, err := newLogger(f, format, "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info().Msg("not this one")
	log.Warn().Str("service", "web").Msg("quorum lost")
	flush()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestJournalIsFound(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Setenv("JOURNAL_STREAM", "1:2")
	if isJournal(f) {
		t.Error("a file that is not the journal was taken for it")
	}
	t.Setenv("JOURNAL_STREAM", stream(t, f))
	if !isJournal(f) {
		t.Error("the journal was not found")
	}
}

func TestPriorities(t *testing.T) {
	for level, want := range map[zerolog.Level]int{
		zerolog.DebugLevel: 7, zerolog.InfoLevel: 6, zerolog.WarnLevel: 4, zerolog.ErrorLevel: 3, zerolog.FatalLevel: 2, zerolog.NoLevel: 6,
	} {
		if got := priority(level); got != want {
			t.Errorf("%v: %d, want %d", level, got, want)
		}
	}
}

func stream(t *testing.T, f *os.File) string {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
