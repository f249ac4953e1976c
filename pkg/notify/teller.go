package notify

import (
	"context"
	"fmt"
	"slices"
)

// Told is one telling of an event.
type Told struct {
	Event
	Epoch uint64 // grows with every event, over restarts too; a repeated telling has that of its event
	Try   int    // 1 for the first telling of this event, and one more for each that follows
	Node  string // name of this director
}

// A Teller is one way to tell: its configuration and nothing more, so that two deeply equal ones tell the same. It is
// called from many goroutines, but never twice at once for one notifier and subject.
type Teller interface {
	// Tell tells once. At the end of ctx it gives up; it returns only when nothing that it started on this host can
	// act any more, however long that takes.
	Tell(ctx context.Context, t Told) Outcome
}

// A Verifier asks the one who was told which state it is in.
type Verifier interface {
	// Role gives the state that the application says it has, trimmed. An error is that it could not be asked. It ends as
	// Tell does.
	Role(ctx context.Context, t Told) (string, error)
}

// Outcome is how a telling ended.
type Outcome struct {
	OK    bool   // the other side took it
	Cut   bool   // it was ended by force: what it had begun elsewhere may still take effect
	Words string // one line of at most 200 bytes: "exit 0", "exit 3: no such role", "killed after 30s"
}

// Validator is a Teller that can say what is wrong with its configuration. Every error names the key it is about.
type Validator interface {
	Validate() []FieldError
}

// FieldError is one mistake in a notifier's table: the key as written in the TOML, and what is wrong with its value.
type FieldError struct {
	Key string
	Err error
}

// Error gives "key: what is wrong".
func (e FieldError) Error() string { return fmt.Sprintf("%s: %v", e.Key, e.Err) }

// Unwrap gives what is wrong.
func (e FieldError) Unwrap() error { return e.Err }

// kinds are the notifier types and their defaults, by the name that `type` gives them.
var kinds = map[string]func() Teller{
	"script": func() Teller { return &Script{} },
}

// New makes the Teller of a type with its defaults, and reports whether there is such a type.
func New(kind string) (Teller, bool) {
	f, ok := kinds[kind]
	if !ok {
		return nil, false
	}
	return f(), true
}

// Kinds lists the types, sorted.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
