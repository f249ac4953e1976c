package vrrp

// causes are the words for operators, in the order of the constants.
var causes = [...]string{
	NoCause:         "",
	CauseStart:      "started",
	CauseResumed:    "the process before was master a moment ago",
	CauseOwner:      "its own addresses are the VIPs (priority 255)",
	CauseSilence:    "no advert for the down interval",
	CauseLeft:       "the master gave the role up (priority 0)",
	CausePreempt:    "preempts a master of lower priority",
	CauseHigher:     "heard a master of higher priority, or of equal priority and higher address",
	CauseHandedOver: "gave the role away and heard the successor",
	CauseKept:       "gave the role away and nobody took it",
	CauseSick:       "a check of this host",
	CauseWell:       "the check of this host passes again",
	CauseLinkDown:   "the interface cannot be used",
	CauseLinkUp:     "the interface can be used again",
	CauseSlept:      "did not run for so long that a peer must have taken over",
	CauseStopped:    "asked to stop",
	CauseGroup:      "another router of its group",
	CauseLastMan:    "a check of this host, but nobody else is heard",
	CauseGroupHeld:  "heard no advert, but its group still hears a master elsewhere",
	CauseHeld:       "waits for the first table before it takes over",
}

// String gives the cause as the end of a sentence that begins with the new state; NoCause is empty.
func (c Cause) String() string {
	if int(c) < len(causes) {
		return causes[c]
	}
	return "unknown cause"
}
