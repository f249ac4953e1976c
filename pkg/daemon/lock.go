package daemon

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// lockName is an abstract socket: it belongs to a network namespace, as the IPVS table does, and the kernel lets go of
// it when its process ends, however that ends.
const lockName = "@lvsd-table"

// lock makes sure that no other lvsd keeps the table of this network namespace. Close lets go.
func lock() (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: lockName, Net: "unix"})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("another lvsd run keeps the IPVS table of this network namespace")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the IPVS table: %w", err)
	}
	return l, nil
}
