package link

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const socketPathMax = 107 // sun_path of unix(7) without its ending zero

// bind takes the socket's path. The caller holds the lock of the vrrp process, so what is there is a dead one's; anything
// but a socket is not touched.
func bind(path string) (*net.UnixListener, error) {
	if len(path) > socketPathMax {
		return nil, fmt.Errorf("listen on %s: a socket's path has at most %d bytes", path, socketPathMax)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make directory of the link: %w", err)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("listen on %s: something is there that is not a socket", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the link that a dead lvsd left: %w", err)
		}
	}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("listen on the link: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil { // the group may ask; see trusted
		_ = l.Close()
		return nil, fmt.Errorf("open the link to callers: %w", err)
	}
	return l, nil
}

// trusted tells whether the peer is root or this process' own user, by the kernel's word (SO_PEERCRED, unix(7)).
func trusted(c *net.UnixConn) (ok bool, uid uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, 0, fmt.Errorf("read peer credentials: %w", err)
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		err = e
	}
	if err != nil {
		return false, 0, fmt.Errorf("read peer credentials: %w", err)
	}
	return cred.Uid == 0 || int(cred.Uid) == os.Geteuid(), cred.Uid, nil
}
