package ipvs

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Syncing gives the daemons of connection synchronisation that run.
func (n *Netlink) Syncing() (map[SyncRole]Sync, error) {
	running := map[SyncRole]Sync{}
	err := n.ask(cmdGetDaemon, unix.NLM_F_DUMP, nil, func(kind uint16, v []byte) {
		if kind == attrDaemon {
			role, s := parseSync(v)
			running[role] = s
		}
	})
	return running, n.lost(err)
}

// StartSync starts a daemon. ErrExists is that one of the role runs already, with whatever settings.
func (n *Netlink) StartSync(role SyncRole, s Sync) error {
	return n.daemon(cmdNewDaemon, role, s)
}

// StopSync ends a daemon. ErrNotFound is that none of the role runs.
func (n *Netlink) StopSync(role SyncRole, s Sync) error {
	return n.daemon(cmdDelDaemon, role, s)
}

func (n *Netlink) daemon(cmd uint8, role SyncRole, s Sync) error {
	err := n.ask(cmd, unix.NLM_F_ACK, func(m *message) {
		m.nest(attrDaemon, func(m *message) {
			m.u32(daemonState, uint32(role))
			m.text(daemonInterface, s.Interface)
			m.u32(daemonID, uint32(s.ID))
		})
	}, func(uint16, []byte) {})
	var number syscall.Errno
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%s: %w", role, ErrExists)
	case errors.Is(err, unix.ESRCH):
		return fmt.Errorf("%s: %w", role, ErrNotFound)
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: no interface %s: %w", ErrRefused, s.Interface, err)
	case errors.As(err, &number) && !errors.Is(err, errNoAnswer) && number != unix.EPERM && number != unix.ENOENT:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return n.lost(err)
}

// parseSync reads the value of a daemon attribute.
func parseSync(b []byte) (role SyncRole, s Sync) {
	for kind, v := range attributes(b) {
		switch kind {
		case daemonState:
			role = SyncRole(number(v))
		case daemonInterface:
			s.Interface = text(v)
		case daemonID:
			s.ID = uint8(number(v))
		}
	}
	return role, s
}
