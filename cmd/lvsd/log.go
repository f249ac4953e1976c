package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// newLogger logs for whoever reads: a person at a terminal, the journal, or a program that takes JSON. Logging never waits
// for the reader. The function returned passes what still waits; it is called at the end.
func newLogger(to *os.File, format, level string) (zerolog.Logger, func(), error) {
	least, err := zerolog.ParseLevel(strings.ToLower(level))
	if err != nil || least < zerolog.DebugLevel || least > zerolog.ErrorLevel {
		return zerolog.Nop(), nil, usagef("--log-level %q is none of debug, info, warn, error", level)
	}
	if format == "auto" {
		switch {
		case onTerminal(to):
			format = "console"
		case isJournal(to):
			format = "journal"
		default:
			format = "json"
		}
	}
	form := forms[format]
	if form == nil {
		return zerolog.Nop(), nil, usagef("--log-format %q is none of auto, console, journal, json", format)
	}
	colour := bool(paintFor(to))
	queue := newLogQueue(to, func(lost uint64) []byte {
		var line bytes.Buffer
		log := form(&line, colour)
		log.Warn().Uint64("lost", lost).Msg("log lines lost: they were not read in time")
		return line.Bytes()
	})
	return form(queue, colour).Level(least), queue.Close, nil
}

// forms are the formats of the log.
var forms = map[string]func(to io.Writer, colour bool) zerolog.Logger{
	"console": func(to io.Writer, colour bool) zerolog.Logger {
		return zerolog.New(zerolog.ConsoleWriter{Out: to, NoColor: !colour, TimeFormat: time.TimeOnly}).With().Timestamp().Logger()
	},
	"journal": func(to io.Writer, _ bool) zerolog.Logger { return zerolog.New(&journal{to: to}) }, // the journal has its own time
	"json":    func(to io.Writer, _ bool) zerolog.Logger { return zerolog.New(to).With().Timestamp().Logger() },
}

// isJournal tells whether a file is the journal's stream: JOURNAL_STREAM of systemd.exec(5).
func isJournal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// journal writes a line of text for each entry, with its priority before it as sd-daemon(3) has it.
type journal struct {
	mu sync.Mutex
	to io.Writer
}

// Write takes an entry without a level.
func (j *journal) Write(p []byte) (int, error) { return j.WriteLevel(zerolog.InfoLevel, p) }

// WriteLevel takes an entry as JSON.
func (j *journal) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "<%d>", priority(level))
	console := zerolog.ConsoleWriter{
		Out: &text, NoColor: true, PartsOrder: []string{zerolog.MessageFieldName}, FieldsExclude: []string{zerolog.TimestampFieldName},
	}
	if _, err := console.Write(p); err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.to.Write(text.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// priority is the level as syslog(3) numbers it.
func priority(l zerolog.Level) int {
	switch {
	case l == zerolog.FatalLevel, l == zerolog.PanicLevel:
		return 2
	case l == zerolog.ErrorLevel:
		return 3
	case l == zerolog.WarnLevel:
		return 4
	case l <= zerolog.DebugLevel:
		return 7
	default:
		return 6
	}
}
