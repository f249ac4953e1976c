package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// stateFile is what outlives the process, in the state directory: which state each notifier was told last of each
// subject, and what it is yet to be told. It is replaced whole, and may be missing.
const (
	stateFile   = "notify.json"
	stateFormat = 1
	maxState    = 64 << 20 // bytes that are read
)

// kept is the content of the state file.
type kept struct {
	Format int        `json:"format"`
	Epoch  uint64     `json:"epoch"` // no event has a higher one
	Lines  []keptLine `json:"lines"`
}

// keptLine is what is kept of a line.
type keptLine struct {
	Notifier  string    `json:"notifier"`
	Subject   Subject   `json:"subject"`
	Confirmed *notice   `json:"confirmed,omitempty"`
	At        time.Time `json:"confirmed_at,omitzero"`
	Unsure    bool      `json:"unsure,omitempty"`
	Current   *notice   `json:"current,omitempty"` // that was begun and not confirmed
	Tries     int       `json:"tries,omitempty"`
	Again     int       `json:"again,omitempty"`
	Waiting   []notice  `json:"waiting,omitempty"`
}

// readKept reads the state file. A missing one is no error and no state; a bad one is an error and no state.
func readKept(path string) (kept, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("read state: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return kept{}, fmt.Errorf("read state: %w", err)
	}
	k, err := parseKept(b)
	if err != nil {
		return kept{}, fmt.Errorf("read state %s: %w", path, err)
	}
	return k, nil
}

// parseKept reads the text of a state file.
func parseKept(b []byte) (kept, error) {
	if len(b) > maxState {
		return kept{}, fmt.Errorf("longer than %d bytes", maxState)
	}
	var head struct {
		Format int `json:"format"`
	}
	// The format first: the shape of another one is not to be understood.
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&head); err != nil {
		return kept{}, err
	}
	if head.Format != stateFormat {
		return kept{}, fmt.Errorf("format %d, this lvsd knows %d", head.Format, stateFormat)
	}
	var k kept
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&k); err != nil {
		return kept{}, err
	}
	if err := k.check(); err != nil {
		return kept{}, err
	}
	return k, nil
}

// check finds what no lvsd would have written.
func (k kept) check() error {
	if k.Epoch >= 1<<63 || len(k.Lines) > mostLines {
		return errors.New("numbers out of range")
	}
	seen := make(map[lineID]bool, len(k.Lines))
	for _, l := range k.Lines {
		id := lineID{l.Notifier, l.Subject}
		switch {
		case l.Notifier == "" || l.Subject.Kind == "" || seen[id]:
			return fmt.Errorf("%s to %q: without a name, or twice", l.Subject, clip(l.Notifier, 80))
		case l.Tries < 0 || l.Again < 0 || l.Again > againAfterCut || len(l.Waiting) > mostWaiting:
			return fmt.Errorf("%s to %q: numbers out of range", l.Subject, clip(l.Notifier, 80))
		case (l.Confirmed == nil) != l.At.IsZero():
			return fmt.Errorf("%s to %q: confirmed at no time", l.Subject, clip(l.Notifier, 80))
		}
		seen[id] = true
		for _, n := range l.notices() {
			if n.Epoch > k.Epoch || n.Subject != l.Subject {
				return fmt.Errorf("%s to %q: an event that is not its own", l.Subject, clip(l.Notifier, 80))
			}
		}
	}
	return nil
}

// notices gives all events of a line.
func (k keptLine) notices() []notice {
	all := k.Waiting[:len(k.Waiting):len(k.Waiting)]
	for _, n := range []*notice{k.Confirmed, k.Current} {
		if n != nil {
			all = append(all, *n)
		}
	}
	return all
}

// keep gives what is kept of a line.
func (l *line) keep(id lineID) keptLine {
	k := keptLine{
		Notifier: id.notifier, Subject: id.subject,
		At: l.at, Unsure: l.unsure, Tries: l.tries, Again: l.again,
		Waiting: append([]notice(nil), l.waiting...),
	}
	if !l.at.IsZero() {
		confirmed := l.confirmed
		k.Confirmed = &confirmed
	}
	if l.unsure && l.current != nil {
		current := *l.current
		k.Current = &current
	}
	return k
}

// restore makes the line of what was kept of it. A role may have changed since: it is not told of before there is word of
// the present one. All else is news, and told at once.
func (k keptLine) restore(now time.Time) *line {
	l := &line{waiting: slices.Clone(k.Waiting), at: k.At, unsure: k.Unsure, again: k.Again, held: k.Subject.isRole()}
	if k.Confirmed != nil {
		l.confirmed = *k.Confirmed
	}
	if l.unsure { // it may have been cut with its process
		l.again = againAfterCut
	}
	if k.Current != nil && !l.held {
		l.current, l.tries = k.Current, k.Tries
		l.next, l.why = now, forRetry
	}
	return l
}

// writeKept replaces the state file: after a crash at any moment it is the old one or the new one.
func writeKept(path string, k kept) error {
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("write state %s: %w", path, err)
	}
	next := path + ".new" // it has one writer, so one name is enough and a crash leaves no litter behind
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
