package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultTimeout is how long one telling may take where the configuration does not say.
const DefaultTimeout = 30 * time.Second

// Notifier is who is told of which subjects, finished and checked.
type Notifier struct {
	Name     string
	Subjects []string      // patterns: "vrrp:*" "vrrp:VI_1" "service:news" "server:*" "config"
	Timeout  time.Duration // of one telling, and of one question of Verify; above 0
	Repeat   time.Duration // the current state is told again this long after it was told last; 0 is never
	Merge    bool          // states that were overtaken while it was busy are not told
	Teller   Teller
	Verify   Verifier // nil: the other side is not asked
}

// Wants reports whether the notifier is to be told of an event: of a group's member only where it names it.
func (n Notifier) Wants(e Event) bool {
	if e.Member {
		return slices.Contains(n.Subjects, e.Subject.String())
	}
	return slices.ContainsFunc(n.Subjects, func(pattern string) bool { return Matches(pattern, e.Subject) })
}

// subjectKinds are what events can be about; true is that there are many, told apart by name.
var subjectKinds = map[string]bool{"vrrp": true, "service": true, "server": true, "config": false}

// Matches reports whether a pattern names a subject: "kind:name", "kind:*", or "config" alone.
func Matches(pattern string, s Subject) bool {
	kind, name, named := strings.Cut(pattern, ":")
	return kind == s.Kind && (name == s.Name || named && name == "*")
}

// CheckPattern says what is wrong with a pattern; nil is that it can match.
func CheckPattern(pattern string) error {
	kind, name, named := strings.Cut(pattern, ":")
	many, known := subjectKinds[kind]
	switch {
	case !known:
		return fmt.Errorf(`%q is about nothing: write "vrrp:NAME", "service:NAME", "server:NAME", each also with *, or "config"`, clip(pattern, 80))
	case many && name == "":
		return fmt.Errorf("%q lacks a name: write %q or %q", pattern, kind+":NAME", kind+":*")
	case !many && named:
		return fmt.Errorf("%q has no names: write %q", kind, kind)
	case strings.Contains(name, "*") && name != "*":
		return fmt.Errorf("%q: * stands for all names, not for a part of one", clip(pattern, 80))
	}
	return nil
}

// isRole reports whether the subject's state is a role that an application must have: it is told before anything else,
// and its progress is on the disk before a program acts on it.
func (s Subject) isRole() bool { return s.Kind == "vrrp" }
