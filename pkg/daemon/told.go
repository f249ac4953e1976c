package daemon

import (
	"fmt"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/notify"
)

// told records a step of an event on its way to somebody.
func (d *daemon) told(s notify.Step) {
	e := audit.Entry{
		Time: s.At, Mono: int64(s.Mono), Event: audit.EventNotify, Actor: "notify", Subject: s.Subject.String(), Told: s.Notifier,
		Epoch: s.Epoch, From: s.Previous, To: s.State, Reason: string(s.What),
	}
	words := s.Words
	if s.Try > 1 {
		e.Reason += fmt.Sprintf(", try %d", s.Try)
	}
	switch s.What {
	case notify.Ended, notify.Killed, notify.Mismatch, notify.Unasked:
		e.Error = words
	default:
		if words != "" {
			e.Reason += ": " + words
		}
	}
	d.recorder.record(e)
}
