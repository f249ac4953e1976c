package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/netip"
	"time"
)

// Filter says which entries are wanted. What is zero does not matter.
type Filter struct {
	Since, Until time.Time // from Since on, up to but without Until
	Service      string
	Server       string // "10.0.0.1:80", or an address for any port of it
	Router       string // of VRRP: also what a notifier was told of it
	Actor        string
	Event        string
}

// Match tells whether an entry is wanted.
func (f Filter) Match(e Entry) bool {
	return !e.Time.Before(f.Since) &&
		(f.Until.IsZero() || e.Time.Before(f.Until)) &&
		(f.Service == "" || f.Service == e.Service) &&
		(f.Router == "" || f.Router == e.Router || e.Subject == "vrrp:"+f.Router) &&
		(f.Actor == "" || f.Actor == e.Actor) &&
		(f.Event == "" || f.Event == e.Event) &&
		(f.Server == "" || sameServer(f.Server, e.Server))
}

func sameServer(want, got string) bool {
	if want == got {
		return true
	}
	server, err := netip.ParseAddrPort(got)
	if err != nil {
		return false
	}
	if both, err := netip.ParseAddrPort(want); err == nil {
		return both == server
	}
	addr, err := netip.ParseAddr(want)
	return err == nil && addr == server.Addr()
}

// BadLineError is a line of the record that is no entry: one cut off by a crash or a full disk, or not written by lvsd.
type BadLineError struct {
	File string
	Line int // from 1
	Err  error
}

func (e *BadLineError) Error() string {
	return fmt.Sprintf("read %s: line %d: %v", e.File, e.Line, e.Err)
}

// Unwrap gives what is wrong with the line.
func (e *BadLineError) Unwrap() error { return e.Err }

// Read gives the wanted entries of the file and of those put aside from it, compressed or not, the oldest file first,
// in bounded memory. An error stands for what could not be read and is not the end: a BadLineError for one line, others
// for a file or its remainder. If there is no file at all the only error is fs.ErrNotExist.
func Read(file string, f Filter) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		list, err := openSources(file)
		defer closeSources(list)
		if err != nil && (len(list) == 0 || !onlyMissing(err)) && !yield(Entry{}, err) {
			return
		}
		for _, s := range list {
			if !s.passedOver(f) && (!s.give(f, yield) || !s.giveRest(f, yield)) {
				return
			}
		}
	}
}

// onlyMissing tells whether nothing worse happened than that a file was gone.
func onlyMissing(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			if !errors.Is(err, fs.ErrNotExist) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, fs.ErrNotExist)
}

func closeSources(list []*source) {
	for _, s := range list {
		s.close()
	}
}

// passedOver tells whether a file ended before the entries that are wanted.
func (s *source) passedOver(f Filter) bool {
	info, err := s.f.Stat()
	return err == nil && info.ModTime().Add(time.Second).Before(f.Since)
}

// give yields what is wanted of the whole lines up to the present end of a file, and tells whether more is asked for.
func (s *source) give(f Filter, yield func(Entry, error) bool) bool {
	for {
		line, err := s.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return true
		case errors.Is(err, errTooLong):
			if !yield(Entry{}, &BadLineError{File: s.path, Line: s.lines.n, Err: err}) {
				return false
			}
			continue
		case err != nil:
			return yield(Entry{}, fmt.Errorf("read %s: after line %d: %w", s.path, s.lines.n, err))
		}
		if !s.giveLine(line, s.lines.n, f, yield) {
			return false
		}
	}
}

// giveRest yields a last line without a newline, at the end of a file that will not grow.
func (s *source) giveRest(f Filter, yield func(Entry, error) bool) bool {
	line, err := s.lines.rest()
	if err != nil {
		return yield(Entry{}, &BadLineError{File: s.path, Line: s.lines.n + 1, Err: err})
	}
	return s.giveLine(line, s.lines.n+1, f, yield)
}

func (s *source) giveLine(line []byte, n int, f Filter, yield func(Entry, error) bool) bool {
	if len(line) == 0 {
		return true
	}
	e, err := decode(line)
	if err != nil {
		return yield(Entry{}, &BadLineError{File: s.path, Line: n, Err: err})
	}
	if s.begun.IsZero() {
		s.begun = e.Time
	}
	return !f.Match(e) || yield(e, nil)
}
