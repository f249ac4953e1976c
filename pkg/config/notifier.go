package config

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/plan"
)

// laterNotifiers are the notifier types that have a name and no code yet.
var laterNotifiers = []string{"webhook", "mail"}

// readNotifiers reads all notifiers, sorted by name.
func readNotifiers(root *value, known subjects) []notify.Notifier {
	var all []notify.Notifier
	section := root.section("notifier")
	for _, name := range slices.Sorted(maps.Keys(section.table)) {
		at := section.get(name)
		if !at.isTable() {
			continue
		}
		if err := checkName(name); err != nil {
			at.fail("%v", err)
		}
		all = append(all, readNotifier(name, at, known))
	}
	return all
}

func readNotifier(name string, at *value, known subjects) notify.Notifier {
	n := notify.Notifier{
		Name:     name,
		Subjects: known.read(at),
		Timeout:  at.duration("timeout", notify.DefaultTimeout, 100*time.Millisecond, time.Hour),
		Repeat:   at.duration("repeat", 0, 0, never),
		Merge:    at.flag("merge", true),
	}
	if n.Repeat > 0 && n.Repeat < time.Second {
		at.failKey("repeat", `must be at least 1s, or "0s"`)
	}
	kind := at.text("type", "")
	teller, ok := notify.New(kind)
	if !ok {
		failKind(at, kind)
		return n
	}
	bind(at, teller)
	at.done()
	n.Teller = teller
	if v, ok := teller.(notify.Validator); ok {
		for _, e := range v.Validate() {
			if !at.table[e.Key].blamed() {
				at.failKey(e.Key, "%v", e.Err)
			}
		}
	}
	if s, ok := teller.(*notify.Script); ok {
		warnUser(at, s.User)
	}
	if v, ok := teller.(interface{ Verifier() notify.Verifier }); ok {
		n.Verify = v.Verifier()
	}
	return n
}

// failKind reports a notifier's type. The keys of one that is not known yet are not judged.
func failKind(at *value, kind string) {
	kinds := notify.Kinds()
	switch {
	case at.table["type"].blamed():
	case at.table["type"] == nil:
		at.failKey("type", "is missing: one of %s", strings.Join(kinds, " "))
	case slices.Contains(laterNotifiers, kind):
		at.failKey("type", "%q is not supported by this version, which has %s", kind, strings.Join(kinds, " "))
	default:
		at.failKey("type", "%q is not one of %s%s", clip(kind), strings.Join(kinds, " "), at.doc.report.didYouMean(kind, slices.Values(kinds)))
	}
}

// subjects are what there can be events about.
type subjects map[notify.Subject]bool

func subjectsOf(routers []*router, virtuals []plan.Virtual) subjects {
	s := subjects{{Kind: "config"}: true}
	for _, r := range routers {
		s[notify.Subject{Kind: "vrrp", Name: r.Name}] = true
		if r.Group != "" {
			s[notify.Subject{Kind: "vrrp", Name: r.Group}] = true
		}
	}
	for _, v := range virtuals {
		s[notify.Subject{Kind: "service", Name: v.Name}] = true
		for _, servers := range [][]plan.Server{v.Servers, v.Sorry} {
			for _, one := range servers {
				s[notify.ServerSubject(v.Name, one.Addr)] = true
			}
		}
	}
	return s
}

// names are the subjects as the configuration names them.
func (s subjects) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for one := range s {
			if !yield(one.String()) {
				return
			}
		}
	}
}

// read reads the list of subjects of a notifier.
func (s subjects) read(at *value) []string {
	if list := at.table["subjects"]; list == nil || list.lists && len(list.list) == 0 {
		at.failKey("subjects", `is missing: what is told, as "vrrp:*"`)
	}
	var all []string
	for _, e := range at.elements("subjects") {
		pattern, ok := e.asText()
		if !ok {
			continue
		}
		switch err := notify.CheckPattern(pattern); {
		case err != nil:
			e.fail("%v", err)
		case slices.Contains(all, pattern):
			e.fail("%q is there twice", pattern)
		case !s.match(pattern):
			e.warn("%q is nothing in this configuration%s", clip(pattern), e.doc.report.didYouMean(pattern, s.names()))
		}
		all = append(all, pattern)
	}
	return all
}

func (s subjects) match(pattern string) bool {
	for one := range s {
		if notify.Matches(pattern, one) {
			return true
		}
	}
	return false
}
