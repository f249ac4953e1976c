package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/lvsd/lvsd/pkg/control"
)

// headline says what this director is, and counts: "lvs-a  MASTER of VI_1 since 2h13m (priority 100)  2 services, 8
// servers, 1 down". A server is an address, however many services it is in.
func headline(s *control.Status) string {
	servers := map[netip.Addr]bool{} // whether it is down somewhere
	for _, v := range s.Services {
		for _, r := range v.Servers {
			servers[r.Addr.Addr()] = servers[r.Addr.Addr()] || r.Verdict == "down"
		}
	}
	down := 0
	for _, isDown := range servers {
		if isDown {
			down++
		}
	}
	name := s.Name
	if role := roles(s); role != "" {
		name += "  " + role
	}
	return fmt.Sprintf("%s  %s, %s, %d down", name, plural(len(serviceNames(s)), "service"), plural(len(servers), "server"), down)
}

// alarms are what an operator has to know before reading on, each a line.
func alarms(s *control.Status) []string {
	var lines []string
	add := func(format string, a ...any) { lines = append(lines, fmt.Sprintf(format, a...)) }
	if !s.Ready {
		untried := 0
		for _, c := range s.Checks {
			if c.Count == 0 {
				untried++
			}
		}
		add("not ready: %d of %s not tried yet", untried, plural(len(s.Checks), "check"))
	}
	if s.Suspect.Suspected {
		add("this director suspects itself since %s (%s): %s; no server is taken out for its checks",
			clock(s.Suspect.Since, s.At), age(s.Suspect.Since, s.At), s.Suspect.Words)
	}
	if s.TableError != "" {
		add("the kernel's table cannot be read: %s", s.TableError)
	}
	if !s.Kernel.Failing.IsZero() || s.Kernel.Error != "" {
		add("the kernel's table is not as it should be since %s (%s): %s", clock(s.Kernel.Failing, s.At), age(s.Kernel.Failing, s.At), s.Kernel.Error)
	}
	for _, entry := range s.Kernel.Contested {
		add("another writer keeps changing %s: lvsd has stopped repairing it", entry)
	}
	if s.Audit.Error != "" {
		add("the audit file cannot be written since %s (%s): %s", clock(s.Audit.Failing, s.At), age(s.Audit.Failing, s.At), s.Audit.Error)
	}
	if s.Audit.Lost > 0 {
		add("%s of the audit file lost", plural(int(s.Audit.Lost), "line"))
	}
	if !s.Config.Refused.IsZero() {
		add("the configuration was refused at %s; that of %s holds: %s", clock(s.Config.Refused, s.At), clock(s.ConfigLoaded, s.At), firstOf(s.Config.Errors))
	}
	return append(lines, pairAlarms(s)...)
}

// firstOf gives the first of several errors and says how many more there are. One may hold several, a line each.
func firstOf(list []string) string {
	lines := strings.Split(strings.TrimSpace(strings.Join(list, "\n")), "\n")
	switch {
	case lines[0] == "":
		return "no reason given"
	case len(lines) == 1:
		return lines[0]
	default:
		return fmt.Sprintf("%s (and %d more: lvsd config check)", lines[0], len(lines)-1)
	}
}
