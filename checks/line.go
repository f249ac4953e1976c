package checks

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// reasonSize bounds Result.Reason, in bytes.
const reasonSize = 200

// oneLine makes text that came from outside fit to be shown: one line of printable characters, at most reasonSize bytes.
// Runs of what is not printable become one space.
func oneLine(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range clip(s, 4*reasonSize) {
		if r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte(' ')
			gap = false
		}
		b.WriteRune(r)
		if b.Len() > reasonSize {
			break
		}
	}
	return clip(b.String(), reasonSize)
}

// clip cuts s to at most n bytes between two characters and marks the cut with an ellipsis.
func clip(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

// quote shows the beginning of what a server sent, on one line.
func quote(b []byte) string {
	return `"` + clip(oneLine(string(b[:min(len(b), 2*reasonSize)])), 60) + `"`
}
