package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/link"
)

// roles says what this director is: "MASTER of VI_1 since 2h13m (priority 100)". Routers in one state are told together,
// with the time and priority of the one that came last; it is empty where there is no VRRP.
func roles(s *control.Status) string {
	if s.Pair == nil {
		return ""
	}
	if s.Pair.VRRP == nil {
		return "VRRP is not heard"
	}
	var parts []string
	for _, state := range []string{"master", "fault", "backup", "stopped"} {
		var names []string
		var last link.RouterState
		for _, r := range s.Pair.VRRP.Routers {
			if r.State != state {
				continue
			}
			if names = append(names, r.Name); r.Since.After(last.Since) {
				last = r
			}
		}
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%s of %s since %s (priority %d)",
				strings.ToUpper(state), strings.Join(names, " "), age(last.Since, s.At), last.Priority))
		}
	}
	return strings.Join(parts, ", ")
}

// pairAlarms are what an operator has to know of the pair and of who is told, each a line.
func pairAlarms(s *control.Status) []string {
	var lines []string
	add := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	if p := s.Pair; p != nil {
		if p.Error != "" {
			add("%s; VIPs are out of this process' sight", p.Error)
		}
		if p.VRRP != nil {
			lines = append(lines, routerAlarms(p.VRRP)...)
		}
	}
	for _, n := range s.Notify {
		switch {
		case n.Mismatch != "":
			add("notifier %s: %s says that it is %s, and was told %s", n.Notifier, n.Subject, n.Mismatch, n.Confirmed)
		case n.Failure != "":
			add("notifier %s cannot tell of %s after %s: %s", n.Notifier, n.Subject, tries(uint64(n.Tries)), n.Failure)
		case n.Running != "" && s.At.Sub(n.Since) > slowTelling && !n.Since.IsZero():
			add("notifier %s has been telling of %s for %s", n.Notifier, n.Subject, age(n.Since, s.At))
		}
	}
	return lines
}

// slowTelling is how long a notifier may take before status says so.
const slowTelling = 5 * time.Second

// routerAlarms are the vrrp process' own.
func routerAlarms(v *link.State) []string {
	var lines []string
	for _, r := range v.Routers {
		if r.ContestedBy != "" {
			lines = append(lines, fmt.Sprintf("%s is CONTESTED since %s: %s", r.Name, age(r.Contested, v.At), r.ContestedBy))
		}
		for _, a := range r.Alarms {
			if !slices.Contains(lines, r.Name+": "+a) {
				lines = append(lines, r.Name+": "+a)
			}
		}
		if r.VIPError != "" {
			lines = append(lines, r.Name+": its VIPs are not as they should be: "+r.VIPError)
		}
	}
	return lines
}
