package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// document is one file.
type document struct {
	name   string
	order  int // in which it was read
	report *report
}

// value is one value of a document, and where it stands. A table knows which of its keys were asked for; what nobody
// asks for is a mistake of the operator's.
type value struct {
	doc   *document
	line  int
	up    *value
	key   string // in a table
	index int    // in a list

	data  any // string, int64, float64, bool or time.Time; nil for a table and a list
	table map[string]*value
	list  []*value
	lists bool // it is a list

	used  bool     // it was asked for
	asked []string // keys of the table that were asked for, there or not
}

// graft makes a value of what the decoder gave and of where the index found it.
func graft(doc *document, up *value, key string, index int, data any, at *place) *value {
	v := &value{doc: doc, up: up, key: key, index: index, line: at.line}
	switch d := data.(type) {
	case map[string]any:
		v.table = make(map[string]*value, len(d))
		for k, inner := range d {
			v.table[k] = graft(doc, v, k, 0, inner, at.key(k))
		}
	case []map[string]any:
		v.lists = true
		for i, inner := range d {
			v.list = append(v.list, graft(doc, v, "", i, inner, at.item(i)))
		}
	case []any:
		v.lists = true
		for i, inner := range d {
			v.list = append(v.list, graft(doc, v, "", i, inner, at.item(i)))
		}
	default:
		v.data = data
	}
	return v
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// path gives "service[2].checks[0]".
func (v *value) path() string {
	switch {
	case v.up == nil:
		return ""
	case v.up.lists:
		return v.up.path() + "[" + strconv.Itoa(v.index) + "]"
	}
	return v.up.pathOf(v.key)
}

// pathOf gives the path of a key of this table, whether it is there or not.
func (v *value) pathOf(key string) string {
	if !bareKey.MatchString(key) {
		key = strconv.Quote(clip(key))
	}
	if v.up == nil {
		return key
	}
	return v.path() + "." + key
}

// where gives "lvsd.toml:12", for messages about another place.
func (v *value) where() string { return fmt.Sprintf("%s:%d", v.doc.name, v.line) }

// fail reports an error about the value.
func (v *value) fail(format string, args ...any) {
	v.doc.report.blamed[v] = true
	v.say(v.path(), false, format, args...)
}

// failKey reports an error about a key of the table, whether it is there or not.
func (v *value) failKey(key, format string, args ...any) {
	if inner := v.table[key]; inner != nil {
		inner.fail(format, args...)
		return
	}
	v.say(v.pathOf(key), false, format, args...)
}

// warn reports what is allowed and probably not meant.
func (v *value) warn(format string, args ...any) { v.say(v.path(), true, format, args...) }

// warnKey is warn about a key of the table, whether it is there or not.
func (v *value) warnKey(key, format string, args ...any) {
	if inner := v.table[key]; inner != nil {
		inner.warn(format, args...)
		return
	}
	v.say(v.pathOf(key), true, format, args...)
}

func (v *value) say(path string, warning bool, format string, args ...any) {
	e := Error{File: v.doc.name, Line: v.line, Path: path, Message: fmt.Sprintf(format, args...)}
	v.doc.report.add(problem{Error: e, order: v.doc.order, warning: warning})
}

// blamed tells whether an error was reported about the value.
func (v *value) blamed() bool { return v != nil && v.doc.report.blamed[v] }

// shown gives the value as a message shows it: `the integer 5`, `"x"`, `a table`.
func (v *value) shown() string {
	switch d := v.data.(type) {
	case string:
		return strconv.Quote(clip(d))
	case int64:
		return fmt.Sprintf("the integer %d", d)
	case float64:
		return fmt.Sprintf("the fraction %v", d)
	case bool:
		return fmt.Sprintf("%t", d)
	case time.Time:
		return "a date"
	}
	if v.lists {
		return "a list"
	}
	return "a table"
}

// clip bounds what an operator's text takes of a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
