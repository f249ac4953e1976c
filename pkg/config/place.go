package config

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/pelletier/go-toml/v2/unstable"
)

// BurntSushi/toml decodes, and has no position for anything but a syntax error: its own index has one entry for all
// elements of an array of tables. So the syntax tree of pelletier/go-toml says where things stand. Its API promises
// nothing between versions; testdata/positions.golden is what we rely on.

// place is where a value stands, and what is inside it.
type place struct {
	line  int
	keys  map[string]*place
	items []*place
}

// key gives where a key of a table stands; the table's own place if the index does not know it.
func (p *place) key(k string) *place {
	if inner := p.keys[k]; inner != nil {
		return inner
	}
	return &place{line: p.line}
}

// item gives where an element of a list stands; the list's own place if the index does not know it.
func (p *place) item(i int) *place {
	if i < len(p.items) {
		return p.items[i]
	}
	return &place{line: p.line}
}

// enter gives the place of a key, made if need be; of an array of tables, that of its newest element.
func (p *place) enter(k string, line int) *place {
	if p.keys == nil {
		p.keys = map[string]*place{}
	}
	inner := p.keys[k]
	if inner == nil {
		inner = &place{line: line}
		p.keys[k] = inner
	}
	if n := len(inner.items); n > 0 {
		return inner.items[n-1]
	}
	return inner
}

// extend adds an element to an array of tables, made if need be.
func (p *place) extend(k string, line int) *place {
	p.enter(k, line)
	item := &place{line: line}
	p.keys[k].items = append(p.keys[k].items, item)
	return item
}

// byteOrderMark is what some editors put before a text (RFC 3629 section 6).
var byteOrderMark = []byte("\ufeff")

// decode reads a document. A syntax error goes to its report, and the value is nil.
func decode(doc *document, text []byte) *value {
	text = bytes.TrimPrefix(text, byteOrderMark)
	fail := func(line int, message string) *value {
		doc.report.add(problem{Error: Error{File: doc.name, Line: line, Message: message}, order: doc.order})
		return nil
	}
	const deep = "lists, tables or dotted keys stand too deep in one another"
	if line := tooDeep(text); line > 0 {
		return fail(line, deep)
	}
	root, line, indexErr := index(text)
	if errors.Is(indexErr, errDeep) {
		return fail(line, deep)
	}
	var data map[string]any
	_, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&data)
	if bad, ok := errors.AsType[toml.ParseError](err); ok && bad.Message != "" {
		return fail(bad.Position.Line, strings.TrimSuffix(strings.ToLower(bad.Message[:1])+bad.Message[1:], "."))
	}
	if err = cmp.Or(err, indexErr); err != nil {
		return fail(line, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return graft(doc, nil, "", 0, data, root)
}

var errDeep = errors.New("too deep")

// index finds where everything in a document stands. With an error, line is the last one that it understood.
func index(text []byte) (root *place, line int, err error) {
	x := indexer{last: 1}
	for i, b := range text {
		if b == '\n' {
			x.newlines = append(x.newlines, uint32(i))
		}
	}
	x.parser.Reset(text)
	root = &place{line: 1}
	table := root
	for !x.deep && x.parser.NextExpression() {
		e := x.parser.Expression()
		switch e.Kind {
		case unstable.KeyValue:
			x.keyValue(table, e)
		case unstable.Table, unstable.ArrayTable:
			table = x.header(root, e)
		}
	}
	if x.deep {
		return nil, x.last, errDeep
	}
	return root, x.last, x.parser.Error()
}

type indexer struct {
	parser   unstable.Parser
	newlines []uint32 // offsets
	last     int      // line
	deep     bool     // a dotted key has too many parts
}

// line finds the line of an offset. The parser's own Shape counts from the start of the text each time.
func (x *indexer) line(r unstable.Range) int {
	n, _ := slices.BinarySearch(x.newlines, r.Offset)
	return n + 1
}

// header goes to the table that a [header] or [[header]] opens.
func (x *indexer) header(at *place, e *unstable.Node) *place {
	for n, it := 0, e.Key(); it.Next(); n++ {
		k, line := string(it.Node().Data), x.line(it.Node().Raw)
		if x.last, x.deep = line, n >= mostDepth; x.deep {
			return at
		}
		if e.Kind == unstable.ArrayTable && it.IsLast() {
			return at.extend(k, line)
		}
		at = at.enter(k, line)
		if it.IsLast() {
			at.line = line
		}
	}
	return at
}

// keyValue notes a key, which may be dotted, and what is inside its value.
func (x *indexer) keyValue(at *place, e *unstable.Node) {
	for n, it := 0, e.Key(); it.Next(); n++ {
		x.last = x.line(it.Node().Raw)
		if x.deep = x.deep || n >= mostDepth; x.deep {
			return
		}
		at = at.enter(string(it.Node().Data), x.last)
	}
	x.inside(at, e.Value())
}

func (x *indexer) inside(at *place, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			x.keyValue(at, it.Node())
		}
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			item := &place{line: at.line}
			if it.Node().Kind != unstable.Array { // which has no position of its own
				item.line = x.line(it.Node().Raw)
			}
			x.inside(item, it.Node())
			at.items = append(at.items, item)
		}
	}
}
