package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func jsonFlag(cmd *cobra.Command, to *bool) { cmd.Flags().BoolVar(to, "json", false, "answer in JSON") }

// printJSON prints for programs.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	return nil
}

// onTerminal tells whether a person with a terminal reads w.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// paint is the colours to use: none unless a person reads, and none with NO_COLOR (no-color.org).
type paint bool

func paintFor(w io.Writer) paint {
	return paint(onTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// SGR codes of ECMA-48.
const (
	red    = "1;31"
	yellow = "33"
	green  = "32"
	dim    = "2"
	bold   = "1"
)

func (p paint) in(colour, text string) string {
	if !p || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// age says how long ago something was, in at most two units: "41s", "2h13m", "3d4h".
func age(from, now time.Time) string {
	if from.IsZero() {
		return "-"
	}
	d := max(now.Sub(from), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

// took says how long something took, in two digits or three: "0.4ms", "1.2ms", "35ms", "2s", "2.5s".
func took(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", max(float64(d)/float64(time.Millisecond), 0.1))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Round(time.Millisecond)/time.Millisecond)
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

// clock says when something was: the time of day, and the day if it is not today.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}

// plural gives "1 server", "2 servers".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// sheet is text under way to a reader; what could disturb a terminal is taken out.
type sheet struct{ strings.Builder }

func (s *sheet) line(format string, a ...any) {
	s.WriteString(strings.TrimRight(fmt.Sprintf(format, a...), " "))
	s.WriteByte('\n')
}

// to writes the sheet.
func (s *sheet) to(w io.Writer) error {
	if _, err := io.WriteString(w, s.String()); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	return nil
}
