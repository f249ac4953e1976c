package checks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// bodyMatch is what the body of a reply must be. The zero value asks nothing.
type bodyMatch struct {
	contains []byte
	regex    *regexp.Regexp
	sha256   []byte
	json     *jsonMatch
}

// parseBody reads "contains:TEXT", "regex:RE2", "sha256:HEX", "json:.path=value"; "" asks nothing.
func parseBody(s string) (bodyMatch, error) {
	if s == "" {
		return bodyMatch{}, nil
	}
	kind, arg, ok := strings.Cut(s, ":")
	if ok && arg == "" {
		return bodyMatch{}, fmt.Errorf("nothing follows %q", clip(s, 40))
	}
	switch {
	case ok && kind == "contains":
		return bodyMatch{contains: []byte(arg)}, nil
	case ok && kind == "regex":
		re, err := regexp.Compile(arg)
		if err != nil {
			return bodyMatch{}, fmt.Errorf("bad regular expression: %w", err)
		}
		return bodyMatch{regex: re}, nil
	case ok && kind == "sha256":
		sum, err := hex.DecodeString(arg)
		if err != nil || len(sum) != sha256.Size {
			return bodyMatch{}, errors.New("sha256 wants 64 hexadecimal digits")
		}
		return bodyMatch{sha256: sum}, nil
	case ok && kind == "json":
		m, err := parseJSONMatch(arg)
		if err != nil {
			return bodyMatch{}, err
		}
		return bodyMatch{json: m}, nil
	}
	return bodyMatch{}, errors.New(`must begin with "contains:", "regex:", "sha256:" or "json:"`)
}

// asks reports whether there is anything to match.
func (m bodyMatch) asks() bool {
	return m.contains != nil || m.regex != nil || m.sha256 != nil || m.json != nil
}

// whole reports whether a part of the body is not enough to decide.
func (m bodyMatch) whole() bool { return m.sha256 != nil || m.json != nil }

// check says what is wrong with body; "" is that it matches.
func (m bodyMatch) check(body []byte) string {
	switch {
	case m.contains != nil && !bytes.Contains(body, m.contains):
		return "body does not contain " + quote(m.contains)
	case m.regex != nil && !m.regex.Match(body):
		return "body does not match " + quote([]byte(m.regex.String()))
	case m.sha256 != nil:
		if sum := sha256.Sum256(body); !bytes.Equal(sum[:], m.sha256) {
			return fmt.Sprintf("body has sha256 %x, want %x", sum, m.sha256)
		}
	case m.json != nil:
		return m.json.check(body)
	}
	return ""
}
