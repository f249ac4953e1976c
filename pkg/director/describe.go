package director

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// Describe says in words, a line each, how one configuration differs from another in what the director does. No lines
// means that nothing changes.
func Describe(old, next Config) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	before := map[lvs.Key]plan.Virtual{}
	for _, v := range old.Services {
		before[v.Key] = v
	}
	after := map[lvs.Key]bool{}
	for _, v := range next.Services {
		after[v.Key] = true
		was, there := before[v.Key]
		switch {
		case !there:
			add("service %s (%s): new, %d servers", v.Name, v.Key, len(v.Servers))
		case !reflect.DeepEqual(was, v):
			lines = append(lines, describeService(was, v)...)
		}
	}
	for _, v := range old.Services {
		if !after[v.Key] {
			add("service %s (%s): gone", v.Name, v.Key)
		}
	}
	lines = append(lines, describeChecks(old, next)...)
	lines = append(lines, describeRouters(old, next)...)
	if old.Name != next.Name {
		add("name: %s, was %s", next.Name, old.Name)
	}
	if !reflect.DeepEqual(old.Suspect, next.Suspect) {
		add("suspect: changed")
	}
	return lines
}

func describeService(was, is plan.Virtual) []string {
	var lines []string
	prefix := fmt.Sprintf("service %s (%s): ", is.Name, is.Key)
	servers := func(v plan.Virtual) map[string]plan.Server {
		m := map[string]plan.Server{}
		for _, s := range v.Servers {
			m["server "+s.Addr.String()] = s
		}
		for _, s := range v.Sorry {
			m["sorry server "+s.Addr.String()] = s
		}
		return m
	}
	old, next := servers(was), servers(is)
	for name, s := range next {
		o, there := old[name]
		switch {
		case !there:
			lines = append(lines, prefix+name+": new")
		case o.Set.Weight != s.Set.Weight:
			lines = append(lines, fmt.Sprintf("%s%s: weight %d, was %d", prefix, name, s.Set.Weight, o.Set.Weight))
		case !reflect.DeepEqual(o, s):
			lines = append(lines, prefix+name+": changed")
		}
	}
	for name := range old {
		if _, there := next[name]; !there {
			lines = append(lines, prefix+name+": gone")
		}
	}
	if was.Service.Scheduler != is.Service.Scheduler {
		lines = append(lines, fmt.Sprintf("%sscheduler %s, was %s", prefix, is.Service.Scheduler, was.Service.Scheduler))
	}
	was.Service.Scheduler = is.Service.Scheduler
	was.Servers, was.Sorry = is.Servers, is.Sorry
	if !reflect.DeepEqual(was, is) {
		lines = append(lines, prefix+"settings changed")
	}
	slices.Sort(lines)
	return lines
}

// describeChecks speaks of checks by name: one that asks a hundred servers changes once.
func describeChecks(old, next Config) []string {
	was, is := checkNames(old), checkNames(next)
	changed := map[string]bool{}
	for id, spec := range next.Checks {
		if o, there := old.Checks[id]; there && !reflect.DeepEqual(o, spec) {
			changed[id.Check] = true
		}
	}
	var lines []string
	for name := range is {
		switch {
		case !was[name]:
			lines = append(lines, "check "+name+": new")
		case changed[name]:
			lines = append(lines, "check "+name+": changed")
		}
	}
	for name := range was {
		if !is[name] {
			lines = append(lines, "check "+name+": gone")
		}
	}
	slices.Sort(lines)
	return lines
}

// describeRouters tells of what routers that stay depend on; those that come and go are told where they are run.
func describeRouters(old, next Config) []string {
	was := map[string]Router{}
	for _, r := range old.Routers {
		was[r.Name] = r
	}
	var lines []string
	for _, r := range next.Routers {
		o, there := was[r.Name]
		if there && o.OnSuspect != r.OnSuspect {
			lines = append(lines, fmt.Sprintf("vrrp %s: on_suspect %d, was %d", r.Name, r.OnSuspect, o.OnSuspect))
		}
		if there && !slices.Equal(o.Tracks, r.Tracks) {
			lines = append(lines, "vrrp "+r.Name+": tracked checks and services changed")
		}
	}
	return lines
}

func checkNames(c Config) map[string]bool {
	names := map[string]bool{}
	for id := range c.Checks {
		names[id.Check] = true
	}
	return names
}
