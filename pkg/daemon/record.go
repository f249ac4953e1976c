package daemon

import (
	"github.com/rs/zerolog"

	"github.com/lvsd/lvsd/pkg/audit"
)

// recorder is where every entry goes: into the record, and as one line into the log.
type recorder struct {
	log     zerolog.Logger
	audit   *audit.Log
	reasons *reasons
}

// record may be called by any goroutine and does not block.
func (r *recorder) record(e audit.Entry) {
	r.reasons.note(e)
	r.audit.Record(e)
	line := r.log.Info()
	switch {
	case e.Event == audit.EventTable && e.Error != "", e.Event == audit.EventSuspect:
		line = r.log.Error()
	case e.Error != "", e.Event == audit.EventDrift, e.Event == audit.EventLost:
		line = r.log.Warn()
	}
	for _, f := range [...]struct{ name, value string }{
		{"actor", e.Actor},
		{"service", e.Service},
		{"virtual", e.Virtual},
		{"server", e.Server},
		{"check", e.Check},
		{"router", e.Router},
		{"subject", e.Subject},
		{"told", e.Told},
		{"from", e.From},
		{"to", e.To},
		{"command", e.Command},
		{"reason", e.Reason},
		{"err", e.Error},
	} {
		if f.value != "" {
			line = line.Str(f.name, f.value)
		}
	}
	if e.Epoch != 0 {
		line = line.Uint64("epoch", e.Epoch)
	}
	if e.UID != nil {
		line = line.Uint32("uid", *e.UID)
	}
	line.Msg(e.Event)
}
