package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A file that is made to be hard is refused at once, and without a stack that overflows: that cannot be recovered from.
func TestDeepIsRefused(t *testing.T) {
	const deep = "lists, tables or dotted keys stand too deep in one another"
	repeat := func(s string) string { return strings.Repeat(s, 1_000_000) }
	for name, test := range map[string]struct {
		text string
		line int
	}{
		"lists":          {"\na = " + repeat("["), 2},
		"inline tables":  {"a = " + repeat("{a="), 1},
		"by lines":       {"a = " + repeat("[\n"), 65},
		"dotted key":     {"\n\n" + repeat("a.") + "a = 1", 3},
		"dotted header":  {"\n[" + repeat("a.") + "a]", 2},
		"inner key":      {"a = { " + repeat("a.") + "a = 1 }", 1},
		"after a string": {`a = ["\"]", ']', '\', """]"""", '''''', ` + repeat("["), 1},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := Parse(Source{"x.toml", []byte(test.text)})
			many, ok := errors.AsType[*Errors](err)
			if !ok || len(many.List) != 1 || many.List[0] != (Error{"x.toml", test.line, "", deep}) {
				t.Errorf("%.200v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestBracketsInStringsAreNotDeep(t *testing.T) {
	brackets := strings.Repeat("[{", 100)
	for name, text := range map[string]string{
		"comment":         "# " + brackets + "\na = 1 # " + brackets,
		"basic":           `a = "\"` + brackets + `"`,
		"literal":         `a = '\` + brackets + `'`,
		"basic of many":   "a = \"\"\"\n\"\" \\\"" + brackets + "\"\"\"\"\"",
		"literal of many": "a = '''\n''" + brackets + "'''''",
		"key":             `"` + brackets + `" = 1`,
		"beside":          "a = [" + strings.Repeat("[1],", 100) + "]",
		"just deep":       "a = " + strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReport()
			if decode(&document{name: "x.toml", report: r}, []byte(text)) == nil {
				t.Errorf("refused: %v", r.problems)
			}
		})
	}
}
