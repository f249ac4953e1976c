package daemon

import (
	"errors"

	"github.com/lvsd/lvsd/pkg/link"
)

// backend is what the link does here.
func (v *vrrpProcess) backend() link.Backend {
	return link.Backend{
		Hear:     v.pair.Hear,
		State:    v.state,
		Since:    v.pair.Since,
		Prepare:  v.prepare,
		Apply:    v.apply,
		Reexec:   v.askReexec,
		Handover: v.pair.Handover,
	}
}

// state adds what the loop does not know.
func (v *vrrpProcess) state() *link.State {
	s := *v.pair.State()
	s.Started, s.Image = v.handoff.Started, v.image
	return &s
}

// prepare tells whether a configuration would do here.
func (v *vrrpProcess) prepare(c *link.Config) error {
	if err := checkSpeed(c, v.handoff.RealTime, v.options.Force); err != nil {
		return err
	}
	return v.pair.Prepare(c)
}

func (v *vrrpProcess) apply(c *link.Config) error {
	if err := v.prepare(c); err != nil {
		return err
	}
	if err := v.pair.Apply(c); err != nil {
		return err
	}
	v.keep(c)
	return nil
}

// askReexec takes a configuration for the program that is now on disk.
func (v *vrrpProcess) askReexec(c *link.Config) error {
	if err := v.prepare(c); err != nil {
		return err
	}
	select {
	case v.reexecs <- c:
		return nil
	default:
		return errors.New("another reload is under way")
	}
}

// reread does what SIGHUP asks for: the file is read aside, since that may take long.
func (v *vrrpProcess) reread() {
	aside(func() {
		c, _, err := loadPair(v.options.Config)
		if err == nil {
			err = v.askReexec(c)
		}
		if err != nil {
			v.options.Log.Error().Err(err).Msg("reload refused; nothing changed")
		}
	})
}
