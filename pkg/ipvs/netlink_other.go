//go:build !linux

package ipvs

import "fmt"

// Netlink is the Kernel of Linux; there is none here.
type Netlink struct{ Kernel }

var errOther = fmt.Errorf("%w: it is not Linux", ErrNoIPVS)

// Open gives ErrNoIPVS.
func Open() (*Netlink, error) { return nil, errOther }

// Close does nothing.
func (*Netlink) Close() {}

// Info gives ErrNoIPVS.
func (*Netlink) Info() (Info, error) { return Info{}, errOther }

// Timeouts gives ErrNoIPVS.
func (*Netlink) Timeouts() (Timeouts, error) { return Timeouts{}, errOther }

// SetTimeouts gives ErrNoIPVS.
func (*Netlink) SetTimeouts(Timeouts) error { return errOther }

// Syncing gives ErrNoIPVS.
func (*Netlink) Syncing() (map[SyncRole]Sync, error) { return nil, errOther }

// StartSync gives ErrNoIPVS.
func (*Netlink) StartSync(SyncRole, Sync) error { return errOther }

// StopSync gives ErrNoIPVS.
func (*Netlink) StopSync(SyncRole, Sync) error { return errOther }
