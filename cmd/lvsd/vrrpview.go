package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
)

const vrrpWait = 3 * time.Second // for an answer

// renderVRRP shows every virtual router for people.
func renderVRRP(v *link.State, p paint) *sheet {
	var s sheet
	s.line("%s  %s, process %d up %s, %s", v.Node, plural(len(v.Routers), "virtual router"), v.PID, age(v.Started, v.At), v.RealTime)
	if words := runInWords(v.Run); words != "" {
		s.line("%s", p.in(yellow, "! "+words))
	}
	for _, r := range v.Routers {
		renderRouter(&s, v.At, r, p)
	}
	return &s
}

// runInWords says what is to be said of `lvsd run`; nothing while all is well.
func runInWords(r link.RunState) string {
	switch {
	case !r.Heard && r.Age == 0:
		return "lvsd run was not heard yet: checks and services count for nothing"
	case !r.Heard:
		return fmt.Sprintf("lvsd run was not heard for %s: checks and services count for nothing", r.Age.Round(time.Second))
	case !r.Ready:
		return "lvsd run has no table in the kernel yet"
	}
	return ""
}

func renderRouter(s *sheet, at time.Time, r link.RouterState, p paint) {
	name := r.Name
	if r.Group != "" {
		name += " (" + r.Group + ")"
	}
	s.line("%s  %s since %s%s%s", name, stateInColour(r, p), age(r.Since, at), because(r.Cause), passing(r, p))
	field := func(name, format string, a ...any) { s.line("  %-10s %s", name, fmt.Sprintf(format, a...)) }
	for _, trouble := range troubles(at, r) {
		s.line("  %s", p.in(red, "! "+trouble))
	}
	field("wire", "%s id %d version %d, from %s, every %s, down after %s", r.Interface, r.ID, r.Version, address(r.Primary.IsValid(), r.Primary.String()),
		period(r.Interval), period(r.Down))
	field("priority", "%d%s", r.Priority, why(r))
	field("peer", "%s", peerInWords(at, r))
	field("VIPs", "%s", vipsInWords(r))
	field("adverts", "%d sent%s; %d heard%s", r.Sent, lateInWords(r.LatenessMax), r.Heard, refusedInWords(r.Refused))
	field("changes", "%d; %s", r.Transitions, preemptInWords(r))
}

func stateInColour(r link.RouterState, p paint) string {
	text, colour := strings.ToUpper(r.State), dim
	switch r.State {
	case "master":
		colour = green
	case "fault":
		colour = red
	}
	return p.in(colour, text)
}

// passing says what will not last.
func passing(r link.RouterState, p paint) string {
	switch {
	case r.Resigning:
		return ", " + p.in(yellow, "gives it away")
	case r.WaitsForTable:
		return ", " + p.in(yellow, "waits for the first table")
	}
	return ""
}

func because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + cause
}

// troubles are what an operator has to know of a router.
func troubles(at time.Time, r link.RouterState) []string {
	var all []string
	if r.ContestedBy != "" {
		all = append(all, fmt.Sprintf("CONTESTED since %s: %s", age(r.Contested, at), r.ContestedBy))
	}
	all = append(all, r.Alarms...)
	if r.VIPError != "" {
		all = append(all, "VIPs are not as they should be: "+r.VIPError)
	}
	return all
}

// why tells what makes the priority what it is.
func why(r link.RouterState) string {
	if len(r.Reasons) == 0 && r.Priority == r.Configured {
		return ""
	}
	words := []string{fmt.Sprintf("configured %d", r.Configured)}
	for _, reason := range r.Reasons {
		switch {
		case reason.Fault:
			words = append(words, "fault: "+reason.Words)
		default:
			words = append(words, fmt.Sprintf("%+d %s", reason.Weight, reason.Words))
		}
	}
	return " (" + strings.Join(words, ", ") + ")"
}

func address(valid bool, text string) string {
	if !valid {
		return "no address"
	}
	return text
}

// period says a duration that was configured or follows from one, as short as it is exact to a tenth of a millisecond.
func period(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	text := d.Round(100 * time.Microsecond).String()
	if whole, ok := strings.CutSuffix(text, "m0s"); ok {
		text = whole + "m"
	}
	if whole, ok := strings.CutSuffix(text, "h0m"); ok {
		text = whole + "h"
	}
	return text
}

func peerInWords(at time.Time, r link.RouterState) string {
	if !r.Peer.IsValid() {
		return "none heard"
	}
	return fmt.Sprintf("%s priority %d, heard %s ago, every %s", r.Peer, r.PeerPriority, age(r.PeerHeard, at), period(r.Learned))
}

func vipsInWords(r link.RouterState) string {
	text := strings.Join(r.VIPs, " ")
	switch {
	case !r.Holds:
		return "not here: " + text
	case r.Lease > 0:
		return fmt.Sprintf("here: %s (lease %s, renewed %s ago)", text, period(r.Lease), took(r.LeaseAge))
	}
	return "here: " + text
}

func lateInWords(most time.Duration) string {
	if most == 0 {
		return ""
	}
	return fmt.Sprintf(", at most %s late", took(most))
}

func refusedInWords(refused map[string]uint64) string {
	if len(refused) == 0 {
		return ", none refused"
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		words = append(words, fmt.Sprintf("%d %s", refused[reason], reason))
	}
	return ", refused: " + strings.Join(words, ", ")
}

func preemptInWords(r link.RouterState) string {
	switch {
	case !r.Preempt:
		return "takes no role back from a peer that is well"
	case r.PreemptDelay > 0:
		return fmt.Sprintf("takes the role back %s after it hears a lower priority", period(r.PreemptDelay))
	}
	return "takes the role back as soon as it hears a lower priority"
}
