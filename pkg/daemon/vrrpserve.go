package daemon

import (
	"errors"
	"os"

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
		Reexec:   v.goOn,
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
	v.options.Log.Info().Int("routers", len(c.Routers)).Msg("configuration applied")
	return nil
}

// goOn takes a configuration for the program that is on disk. If that is the one that runs, nothing needs to be executed
// and not even an advert's interval is stretched; otherwise it goes on soon: anew.
func (v *vrrpProcess) goOn(c *link.Config) (anew bool, err error) {
	if runsFromDisk() {
		return false, v.apply(c)
	}
	if err := v.prepare(c); err != nil {
		return false, err
	}
	select {
	case v.reexecs <- c:
		return true, nil
	default:
		return false, errors.New("another reload is under way")
	}
}

// runsFromDisk tells whether the program on disk is the one that runs. An upgrade puts another file in its place.
func runsFromDisk() bool {
	path, err := os.Executable()
	if err != nil {
		return true
	}
	disk, err := os.Stat(path)
	if err != nil {
		return true // nothing to execute
	}
	running, err := os.Stat("/proc/self/exe")
	return err != nil || os.SameFile(disk, running)
}

// reread does what SIGHUP asks for: the file is read aside, since that may take long.
func (v *vrrpProcess) reread() {
	aside(func() {
		c, _, err := loadPair(v.options.Config)
		if err == nil {
			_, err = v.goOn(c)
		}
		if err != nil {
			v.options.Log.Error().Err(err).Msg("reload refused; nothing changed")
		}
	})
}
