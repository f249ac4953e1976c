package notify

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordsSize bounds what is said of one telling, in bytes.
const wordsSize = 200

// firstLine gives the first line of a program's output that has something on it, fit to be shown.
func firstLine(b []byte) string {
	for line := range strings.Lines(string(b)) {
		if words := oneLine(line); words != "" {
			return words
		}
	}
	return ""
}

// oneLine makes text that came from outside fit to be shown: one line of printable characters, of bounded length.
func oneLine(s string) string {
	words := strings.FieldsFunc(clip(s, 4*wordsSize), func(r rune) bool {
		return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r)
	})
	return clip(strings.Join(words, " "), wordsSize)
}

// clip cuts s to at most n bytes between two characters and marks the cut.
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
