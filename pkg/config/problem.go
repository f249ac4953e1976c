package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a configuration.
type Error struct {
	File    string // as it was named to Load, or found by include
	Line    int    // 1 for the first; 0 when it is about the whole file
	Path    string // "service[2].checks[0]": counted from 0 within the file; empty when it is about the whole file
	Message string
}

// Error gives `file:line: path: message`.
func (e Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Path != "" {
		s += ": " + e.Path
	}
	return s + ": " + e.Message
}

// Errors is everything that is wrong with a configuration: files in the order in which they were read, lines from the top.
type Errors struct{ List []Error }

// Error gives one mistake a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.List))
	for i, one := range e.List {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the mistakes one by one.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, one := range e.List {
		list[i] = one
	}
	return list
}

// report gathers what is wrong with a configuration.
type report struct {
	problems  []problem
	said      map[Error]bool
	blamed    map[*value]bool // values that an error was about
	suggested int             // words that errors suggested
}

type problem struct {
	Error
	order   int // of its file
	warning bool
}

func newReport() *report {
	return &report{said: map[Error]bool{}, blamed: map[*value]bool{}}
}

// add takes in a problem, unless it is known.
func (r *report) add(p problem) {
	if !r.said[p.Error] {
		r.said[p.Error] = true
		r.problems = append(r.problems, p)
	}
}

func isError(p problem) bool { return !p.warning }

// finish gives the warnings, and an *Errors if there is any error.
func (r *report) finish() (warnings []string, err error) {
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(
			cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message),
		)
	})
	var errs []Error
	for _, p := range r.problems {
		if p.warning {
			warnings = append(warnings, p.Error.Error())
		} else {
			errs = append(errs, p.Error)
		}
	}
	if errs != nil {
		return warnings, &Errors{errs}
	}
	return warnings, nil
}
