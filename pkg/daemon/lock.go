package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// lockName is an abstract socket: it belongs to a network namespace, as the IPVS table does, and the kernel lets go of
// it when its process ends, however that ends.
const lockName = "@lvsd-table"

// lock makes sure that no other lvsd keeps the table of this network namespace. Close lets go. An abstract name has no
// permissions, so anybody may take it: a holder that is neither root nor this user is no lvsd and is given back as
// stranger, with no lock and no error.
func lock() (l *net.UnixListener, stranger string, err error) {
	addr := &net.UnixAddr{Name: lockName, Net: "unix"}
	l, err = net.ListenUnix("unix", addr)
	if err == nil {
		return l, "", nil
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return nil, "", fmt.Errorf("lock the IPVS table: %w", err)
	}
	c, err := net.DialUnix("unix", nil, addr)
	if errors.Is(err, unix.ECONNREFUSED) { // bound, but nobody listens there, as lvsd does
		return nil, "somebody who does not listen", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("lock the IPVS table: another process has its name and does not answer: %w", err)
	}
	defer c.Close()
	holder, err := peer(c)
	if err != nil {
		return nil, "", fmt.Errorf("lock the IPVS table: %w", err)
	}
	if holder.Uid != 0 && int(holder.Uid) != os.Geteuid() {
		return nil, fmt.Sprintf("process %d of user %d", holder.Pid, holder.Uid), nil
	}
	return nil, "", fmt.Errorf("another lvsd run (process %d) keeps the IPVS table of this network namespace", holder.Pid)
}

// peer asks the kernel who is at the other end (SO_PEERCRED, unix(7)): for a listener, who made it listen.
func peer(c *net.UnixConn) (cred *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if e := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return nil, e
	}
	return cred, err
}
