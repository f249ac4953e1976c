package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text gives an entry as one line for people, without a newline: when, in loc; who; what; why. What a server or an
// operator put into it cannot move the cursor: all that does not print is escaped.
func (e Entry) Text(loc *time.Location) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-8s %-7s ", e.Time.In(loc).Format("2006-01-02 15:04:05.000"), printable(e.Actor), printable(e.Event))
	what := words(e.Service, e.Virtual, e.Server, e.Check, e.Router, e.Subject, e.Told)
	fmt.Fprintf(&b, "%-48s", printable(what))
	if e.From != "" || e.To != "" {
		fmt.Fprintf(&b, "  %s -> %s", printable(orDash(e.From)), printable(orDash(e.To)))
	}
	if e.Command != "" {
		fmt.Fprintf(&b, "  ipvsadm %s", printable(e.Command))
	}
	if e.Epoch != 0 {
		fmt.Fprintf(&b, "  epoch %d", e.Epoch)
	}
	if e.UID != nil {
		fmt.Fprintf(&b, "  by uid %d", *e.UID)
	}
	if e.Lost != 0 {
		fmt.Fprintf(&b, "  %d lines lost", e.Lost)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, "  (%s)", printable(e.Reason))
	}
	if e.Error != "" {
		fmt.Fprintf(&b, "  error: %s", printable(e.Error))
	}
	return strings.TrimRight(b.String(), " ")
}

func words(list ...string) string {
	var b strings.Builder
	for _, s := range list {
		if s != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(s)
		}
	}
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable escapes, as Go does, what is not a graphic character or not UTF-8.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
