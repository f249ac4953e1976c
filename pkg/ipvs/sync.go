package ipvs

import "fmt"

// Sync is how a director tells its connections to others and hears theirs: by the kernel's own multicast on an
// interface, among those with one id. The kernel runs at most one daemon of each role in a network namespace.
type Sync struct {
	Interface string
	ID        uint8 // 1-255: packets of another id are not heard; to a daemon with 0 all are of its own
}

// SyncRole is one half of connection synchronisation.
type SyncRole uint8

// The roles, numbered as IP_VS_STATE_MASTER and IP_VS_STATE_BACKUP of include/uapi/linux/ip_vs.h. They have nothing to do
// with VRRP: a director that runs both need not change anything when it becomes master, so nothing can go wrong then.
const (
	SyncSends SyncRole = 1
	SyncHears SyncRole = 2
)

// String gives the role as ipvsadm --start-daemon takes it.
func (r SyncRole) String() string {
	switch r {
	case SyncSends:
		return "master"
	case SyncHears:
		return "backup"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// Command gives a role's start as ipvsadm would be told it.
func (s Sync) Command(r SyncRole) string {
	return fmt.Sprintf("--start-daemon %s --mcast-interface %s --syncid %d", r, s.Interface, s.ID)
}
