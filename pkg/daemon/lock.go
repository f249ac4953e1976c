package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// claim is what only one lvsd of a network namespace may have. Its name is an abstract socket: that belongs to a network
// namespace, as what is claimed does, and the kernel lets go of it when its process ends, however that ends.
type claim struct {
	name string
	who  string // has it
	what string
}

var (
	tableClaim = claim{"@lvsd-table", "lvsd run", "the IPVS table"}
	vrrpClaim  = claim{"@lvsd-vrrp", "lvsd vrrp run", "the virtual routers"}
)

// take makes sure that no other lvsd has the claim. Close lets go. An abstract name has no permissions, so anybody may
// take it: a holder that is neither root nor this user is no lvsd and is given back as stranger, with no lock and no
// error. An error of another lvsd is errClaimed.
func (c claim) take() (l *net.UnixListener, stranger string, err error) {
	addr := &net.UnixAddr{Name: c.name, Net: "unix"}
	l, err = net.ListenUnix("unix", addr)
	if err == nil {
		return l, "", nil
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return nil, "", fmt.Errorf("lock %s: %w", c.what, err)
	}
	conn, err := net.DialUnix("unix", nil, addr)
	if errors.Is(err, unix.ECONNREFUSED) { // bound, but nobody listens there, as lvsd does
		return nil, "somebody who does not listen", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("lock %s: another process has its name and does not answer: %w", c.what, err)
	}
	defer conn.Close()
	holder, err := peer(conn)
	if err != nil {
		return nil, "", fmt.Errorf("lock %s: %w", c.what, err)
	}
	if holder.Uid != 0 && int(holder.Uid) != os.Geteuid() {
		return nil, fmt.Sprintf("process %d of user %d", holder.Pid, holder.Uid), nil
	}
	return nil, "", fmt.Errorf("%w %s (process %d) keeps %s of this network namespace", errClaimed, c.who, holder.Pid, c.what)
}

var errClaimed = errors.New("another")

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
