package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/checks"
)

// These read one key of a table: they note that it was asked for, report what is wrong with it, and give the default
// where it is absent or wrong.

// never is the longest time that is taken; longer ones would overflow when added up.
const never = 365 * 24 * time.Hour

// mostInt bounds numbers that have no bound of their own; a few of them can be added up.
const mostInt = math.MaxInt32

// get gives a key's value; nil if it is absent.
func (v *value) get(key string) *value {
	v.asked = append(v.asked, key)
	inner := v.table[key]
	if inner != nil {
		inner.used = true
	}
	return inner
}

// done reports the keys that nobody asked for.
func (v *value) done() {
	for _, key := range slices.Sorted(maps.Keys(v.table)) {
		if inner := v.table[key]; !inner.used {
			inner.fail("unknown key%s", v.doc.report.didYouMean(key, slices.Values(v.asked)))
		}
	}
}

// section gives a table; an empty one if it is absent or not a table.
func (v *value) section(key string) *value {
	inner := v.get(key)
	if inner != nil && inner.isTable() {
		return inner
	}
	return &value{doc: v.doc, up: v, key: key, line: v.line}
}

func (v *value) isTable() bool {
	if v.table == nil {
		v.fail("must be a table, not %s", v.shown())
	}
	return v.table != nil
}

// elements gives what is in a list; nil if it is absent or not a list.
func (v *value) elements(key string) []*value {
	inner := v.get(key)
	if inner == nil {
		return nil
	}
	if !inner.lists {
		inner.fail("must be a list, not %s", inner.shown())
	}
	return inner.list
}

// tables gives the elements of an array of tables that are tables.
func (v *value) tables(key string) []*value {
	if inner := v.table[key]; inner != nil && inner.table != nil {
		v.get(key).fail("must be written with two brackets: [[%s]]", key)
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.elements(key)), func(e *value) bool { return !e.isTable() })
}

// asText gives the value if it is a string, and reports if it is not.
func (v *value) asText() (string, bool) {
	s, ok := v.data.(string)
	if !ok {
		v.fail("must be a string, not %s", v.shown())
	}
	return s, ok
}

func (v *value) text(key, otherwise string) string {
	if inner := v.get(key); inner != nil {
		if s, ok := inner.asText(); ok {
			return s
		}
	}
	return otherwise
}

// texts reads a list of strings.
func (v *value) texts(key string) []string {
	var all []string
	for _, e := range v.elements(key) {
		if s, ok := e.asText(); ok {
			all = append(all, s)
		}
	}
	return all
}

// word reads one of a few words.
func (v *value) word(key, otherwise string, words ...string) string {
	s := v.text(key, otherwise)
	if s == otherwise || slices.Contains(words, s) {
		return s
	}
	v.failKey(key, "%q is not one of %s%s", clip(s), strings.Join(words, " "), v.doc.report.didYouMean(s, slices.Values(words)))
	return otherwise
}

func (v *value) flag(key string, otherwise bool) bool {
	inner := v.get(key)
	if inner == nil {
		return otherwise
	}
	b, ok := inner.data.(bool)
	if !ok {
		inner.fail("must be true or false, not %s", inner.shown())
		return otherwise
	}
	return b
}

// asWhole gives the value if it is an integer within bounds, and reports if it is not.
func (v *value) asWhole(lowest, highest int) (int, bool) {
	n, ok := v.data.(int64)
	switch {
	case !ok:
		v.fail("must be an integer, not %s", v.shown())
	case n < int64(lowest) || n > int64(highest):
		v.fail("%d is not from %d to %d", n, lowest, highest)
		ok = false
	}
	return int(n), ok
}

func (v *value) whole(key string, otherwise, lowest, highest int) int {
	if inner := v.get(key); inner != nil {
		if n, ok := inner.asWhole(lowest, highest); ok {
			return n
		}
	}
	return otherwise
}

// duration reads a time within bounds.
func (v *value) duration(key string, otherwise, lowest, highest time.Duration) time.Duration {
	inner := v.get(key)
	if inner == nil {
		return otherwise
	}
	if n, ok := inner.data.(int64); ok {
		inner.fail("%d has no unit: write %q", n, strconv.FormatInt(n, 10)+"s")
		return otherwise
	}
	s, ok := inner.asText()
	if !ok {
		return otherwise
	}
	d, err := checks.ParseDuration(s)
	switch {
	case err != nil:
		inner.fail("%v", err)
	case d < lowest || d > highest:
		inner.fail("%s is not from %s to %s", s, brief(lowest), brief(highest))
	default:
		return d
	}
	return otherwise
}

// seconds is duration for what the kernel counts in whole seconds.
func (v *value) seconds(key string, otherwise, lowest, highest time.Duration) time.Duration {
	d := v.duration(key, otherwise, lowest, highest)
	if d%time.Second != 0 {
		v.failKey(key, "must be whole seconds: the kernel counts in them")
		return otherwise
	}
	return d
}

// size reads a number of bytes.
func (v *value) size(key string, otherwise int64) int64 {
	inner := v.get(key)
	if inner == nil {
		return otherwise
	}
	if n, ok := inner.data.(int64); ok {
		inner.fail("%d has no unit: write %q or %q", n, strconv.FormatInt(n, 10)+"MB", strconv.FormatInt(n, 10)+"B")
		return otherwise
	}
	s, ok := inner.asText()
	if !ok {
		return otherwise
	}
	n, err := checks.ParseSize(s)
	if err != nil {
		inner.fail("%v", err)
		return otherwise
	}
	return n
}

// share reads a percentage, as "30%".
func (v *value) share(key string, otherwise int) int {
	inner := v.get(key)
	if inner == nil {
		return otherwise
	}
	if n, ok := inner.data.(int64); ok {
		inner.fail("%d has no unit: write %q", n, strconv.FormatInt(n, 10)+"%")
		return otherwise
	}
	s, ok := inner.asText()
	if !ok {
		return otherwise
	}
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(digits, 10, 8)
	if !percent || err != nil || n > 100 {
		inner.fail("%q is not a share from \"0%%\" to \"100%%\"", clip(s))
		return otherwise
	}
	return int(n)
}

// brief prints a time as the configuration writes it: "10ms", "1h", "365d".
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
