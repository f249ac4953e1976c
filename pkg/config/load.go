package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mostBytes bounds a file.
const mostBytes = 16 << 20

// Load reads a configuration and the files that it includes. The error is an *Errors that holds every mistake at once,
// or says that the file cannot be read.
func Load(path string) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	r := newReport()
	main := decode(&document{name: path, report: r}, text)
	if main == nil {
		_, err := r.finish()
		return nil, err
	}
	docs := []*value{main}
	for _, found := range findIncludes(main) {
		text, err := readFile(found.path)
		if err != nil {
			found.at.fail("read %s: %v", found.path, cause(err))
			continue
		}
		docs = append(docs, decode(&document{name: found.path, order: len(docs), report: r}, text))
	}
	c, err := compile(r, docs)
	if err != nil {
		return nil, err
	}
	if c.Name == "" {
		if c.Name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("find the default of name: %w", err)
		}
		c.Director.Name = c.Name
		if c.Pair != nil {
			c.Pair.Node = c.Name
		}
	}
	return c, nil
}

// Source is a file that is already in memory.
type Source struct {
	Name string
	Text []byte
}

// Parse is Load without reading the files: the first is the configuration, the others are what it includes. Name stays
// empty where no file sets it. Checks look at the files and users that they name.
func Parse(files ...Source) (*Config, error) {
	r := newReport()
	docs := make([]*value, len(files))
	for i, f := range files {
		docs[i] = decode(&document{name: f.Name, order: i, report: r}, f.Text)
	}
	return compile(r, docs)
}

// compile makes one configuration of several documents; nil stands for one with a syntax error. With such an error
// nothing else is told: what is missing may be in what could not be read.
func compile(r *report, docs []*value) (*Config, error) {
	if slices.Contains(docs, nil) {
		_, err := r.finish()
		return nil, err
	}
	c := assemble(merge(docs))
	for _, d := range docs {
		c.Files = append(c.Files, d.doc.name)
	}
	var err error
	if c.Warnings, err = r.finish(); err != nil {
		return nil, err
	}
	return c, nil
}

// assemble makes a configuration of one table, without what is known of its files.
func assemble(root *value) *Config {
	checks := readChecks(root)
	services := readServices(root, checks)
	routers := readRouters(root)
	c := readGlobals(root)
	c.Director.Services, c.Director.Checks = expand(services)
	c.Pair, c.Director.Routers, c.Sync = pair{routers, services}.settle(checks, c.Director.Checks)
	if c.Pair != nil {
		c.Pair.Node = c.Name
	}
	c.Notifiers = readNotifiers(root, subjectsOf(routers, c.Director.Services))
	c.Checks = make(map[string]Check, len(checks))
	for name, one := range checks {
		c.Checks[name] = one.Check
		if !one.used {
			one.at.warn("nothing uses this check")
		}
	}
	if root.table["service"] == nil && root.table["vrrp"] == nil {
		root.warn("there is no [[service]]: nothing is balanced")
	}
	root.done()
	return c
}

// merge makes one table of several documents: services and routers follow one another, checks and notifiers stand side by
// side, anything else may be in one of them only.
func merge(docs []*value) *value {
	root := &value{doc: docs[0].doc, line: 1, table: map[string]*value{}}
	for _, d := range docs {
		for key, inner := range d.table {
			before := root.table[key]
			switch {
			case before == nil:
				root.table[key] = inner
			case key == "include":
				inner.fail("an included file cannot include others")
			case (key == "service" || key == "vrrp") && before.lists && inner.lists:
				both := *before
				both.list = slices.Concat(before.list, inner.list)
				root.table[key] = &both
			case (key == "check" || key == "notifier") && before.table != nil && inner.table != nil:
				root.table[key] = mergeNamed(before, inner)
			default:
				inner.fail("is set twice: also at %s", before.where())
			}
		}
	}
	if include := root.get("include"); include != nil && include.doc != docs[0].doc {
		include.fail("an included file cannot include others")
	}
	return root
}

// mergeNamed makes one table of two, in which no name may be twice.
func mergeNamed(a, b *value) *value {
	both := *a
	both.table = maps.Clone(a.table)
	for name, c := range b.table {
		if before := a.table[name]; before != nil {
			c.fail("is defined twice: also at %s", before.where())
			continue
		}
		both.table[name] = c
	}
	return &both
}

// included is a file that an element of include names.
type included struct {
	path string
	at   *value
}

// findIncludes gives the files that include names, in its order and those of one pattern sorted, each once.
func findIncludes(main *value) []included {
	var found []included
	for _, e := range main.elements("include") {
		pattern, ok := e.asText()
		if !ok {
			continue
		}
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(globQuote(filepath.Dir(main.doc.name)), pattern)
		}
		paths, err := filepath.Glob(pattern)
		switch {
		case err != nil:
			e.fail("%q is not a pattern: %v", clip(pattern), err)
		case len(paths) == 0 && !strings.ContainsAny(e.data.(string), `*?[`):
			e.fail("there is no such file: %s", pattern)
		}
		for _, p := range paths {
			if p == filepath.Clean(main.doc.name) {
				e.fail("%s includes itself", p)
				continue
			}
			if !slices.ContainsFunc(found, func(f included) bool { return f.path == p }) {
				found = append(found, included{p, e})
			}
		}
	}
	return found
}

// globQuote makes a pattern that matches a path as it is.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// readFile reads a regular file: a pipe could keep its reader waiting for ever. One without a single word was cut short
// by something, for instance by a full disk, and does not mean that no service is wanted.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	refuse := func(why error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: path, Err: why} }
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return refuse(unix.EISDIR)
	case !info.Mode().IsRegular():
		return refuse(errors.New("not a regular file"))
	}
	text, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > mostBytes:
		return refuse(fmt.Errorf("longer than %d MB", mostBytes>>20))
	case len(bytes.TrimSpace(bytes.TrimPrefix(text, byteOrderMark))) == 0:
		return refuse(errors.New("empty; a comment in it says that this is meant"))
	}
	return text, nil
}

// cause gives what is behind an error about a path, where the path is told already.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}
