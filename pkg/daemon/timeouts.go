package daemon

import (
	"fmt"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/ipvs"
)

// timed is a kernel whose timeouts of idle connections can be set.
type timed interface {
	Timeouts() (ipvs.Timeouts, error)
	SetTimeouts(ipvs.Timeouts) error
}

// setTimeouts makes the kernel keep idle connections as long as configured; zero leaves one as it is. What is so already
// is not written.
func (d *daemon) setTimeouts(want config.Timeouts, actor string) error {
	if want == (config.Timeouts{}) {
		return nil
	}
	r := d.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.ensure(); err != nil {
		return err
	}
	k, ok := r.kernel.(timed)
	if !ok {
		return nil
	}
	have, err := k.Timeouts()
	if err != nil {
		return fmt.Errorf("read connection timeouts: %w", err)
	}
	next := have
	if want.TCP != 0 {
		next.TCP = want.TCP
	}
	if want.TCPFin != 0 {
		next.TCPFin = want.TCPFin
	}
	if want.UDP != 0 {
		next.UDP = want.UDP
	}
	if next == have {
		return nil
	}
	e := audit.Entry{Event: audit.EventTable, Actor: actor, From: setting(have), To: setting(next), Command: setting(next)}
	if err = k.SetTimeouts(next); err != nil {
		err = fmt.Errorf("set connection timeouts: %w", err)
		e.Error = err.Error()
	}
	d.recorder.record(e)
	return err
}

// setting gives timeouts as ipvsadm takes them, in seconds.
func setting(t ipvs.Timeouts) string {
	return fmt.Sprintf("--set %d %d %d", int(t.TCP.Seconds()), int(t.TCPFin.Seconds()), int(t.UDP.Seconds()))
}
