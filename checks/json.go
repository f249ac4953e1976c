package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// jsonMatch is one value that a JSON body must hold: ".status=ok", ".pools[0].free=3".
type jsonMatch struct {
	path []jsonStep
	text string // the path as written
	want string // strings as they are; numbers, true, false and null as JSON writes them
}

// jsonStep goes into a member of an object, or into an element of an array where name is empty.
type jsonStep struct {
	name  string
	index int
}

// parseJSONMatch reads ".name.name[index]=value". Names hold no dot, bracket or equals sign.
func parseJSONMatch(s string) (*jsonMatch, error) {
	path, want, ok := strings.Cut(s, "=")
	if !ok || path == "" || (path[0] != '.' && path[0] != '[') {
		return nil, errors.New(`json wants a path and a value, as "json:.status=ok"`)
	}
	m := &jsonMatch{text: path, want: want}
	for rest := path; rest != ""; {
		step, after, err := cutJSONStep(rest)
		if err != nil {
			return nil, err
		}
		m.path, rest = append(m.path, step), after
	}
	return m, nil
}

func cutJSONStep(s string) (jsonStep, string, error) {
	if s[0] == '[' {
		digits, after, ok := strings.Cut(s[1:], "]")
		n, err := strconv.ParseUint(digits, 10, 31)
		if !ok || err != nil || (after != "" && after[0] != '.' && after[0] != '[') {
			return jsonStep{}, "", fmt.Errorf("bad index in json path at %q", clip(s, 40))
		}
		return jsonStep{index: int(n)}, after, nil
	}
	name := s[1:]
	if i := strings.IndexAny(name, ".["); i >= 0 {
		name = name[:i]
	}
	if name == "" {
		return jsonStep{}, "", fmt.Errorf("empty name in json path at %q", clip(s, 40))
	}
	return jsonStep{name: name}, s[1+len(name):], nil
}

// check says what is wrong with body; "" is that it holds the value.
func (m *jsonMatch) check(body []byte) string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "body is not JSON: " + err.Error()
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "body is not JSON: more follows the value"
	}
	for _, step := range m.path {
		var ok bool
		if v, ok = step.in(v); !ok {
			return "body has no " + m.text
		}
	}
	got, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			return "body has no plain value at " + m.text
		}
		got = string(b)
	}
	if got != m.want {
		return fmt.Sprintf("body has %s=%s, want %s", m.text, clip(oneLine(got), 60), clip(oneLine(m.want), 60))
	}
	return ""
}

func (s jsonStep) in(v any) (any, bool) {
	if s.name != "" {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		v, ok = object[s.name]
		return v, ok
	}
	list, ok := v.([]any)
	if !ok || s.index >= len(list) {
		return nil, false
	}
	return list[s.index], true
}
