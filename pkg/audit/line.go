package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of one line.
const (
	maxLine   = 16 << 10 // bytes of a line that is written
	maxString = 4 << 10  // bytes of one of its strings
)

// encode gives an entry as a line with its newline, at most maxLine bytes. Its time is in UTC, to the microsecond.
func encode(e Entry) []byte {
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	if y := e.Time.Year(); y < 1 || y > 9999 {
		e.Time = time.Time{} // no JSON can say such a year
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, size := range []int{maxString, 1 << 10, 128} { // a byte of a string is at most 6 in JSON
		b.Reset()
		if err := enc.Encode(cut(e, size)); err != nil {
			panic(fmt.Sprintf("audit: encode an entry: %v", err)) // it has only strings, numbers and a valid time
		}
		if b.Len() <= maxLine {
			break
		}
	}
	return b.Bytes()
}

// cut shortens the strings of an entry to size bytes.
func cut(e Entry, size int) Entry {
	for _, s := range []*string{
		&e.Event, &e.Actor, &e.Service, &e.Virtual, &e.Server, &e.Check, &e.From, &e.To, &e.Command, &e.Reason, &e.Error,
	} {
		if len(*s) > size {
			*s = cutString(*s, size)
		}
	}
	return e
}

// cutString shortens a string that is too long, between two characters, and says so at its end.
func cutString(s string, size int) string {
	const mark = "…"
	end := size - len(mark)
	for end > 0 && end > size-len(mark)-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end]) + mark
}
