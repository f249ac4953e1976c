package control

import (
	"encoding/binary"
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Caller is who is at the other end of the socket, as of its connect. GIDs has the primary group too.
type Caller struct {
	UID  uint32
	PID  int32
	GIDs []uint32
}

// callerOf asks the kernel who is at the other end.
func callerOf(conn *net.UnixConn) (Caller, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Caller{}, fmt.Errorf("read peer credentials: %w", err)
	}
	var caller Caller
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			inner = err
			return
		}
		caller.UID, caller.PID, caller.GIDs = cred.Uid, cred.Pid, []uint32{cred.Gid}
		more, err := peerGroups(int(fd))
		caller.GIDs, inner = append(caller.GIDs, more...), err
	})
	if err == nil {
		err = inner
	}
	if err != nil {
		return Caller{}, fmt.Errorf("read peer credentials: %w", err)
	}
	return caller, nil
}

// peerGroups gives the supplementary groups of the peer: SO_PEERGROUPS of socket(7), Linux 4.13. The kernel allows a
// process 65536 groups at most (NGROUPS_MAX) and answers ERANGE with the size that it needs.
func peerGroups(fd int) ([]uint32, error) {
	for size := uint32(4 * 64); size <= 4*65536; {
		buf := make([]byte, size)
		got := size
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&got)), 0)
		if errno == unix.ERANGE && got > size {
			size = got
			continue
		}
		if errno != 0 {
			return nil, errno
		}
		gids := make([]uint32, 0, got/4)
		for ; got >= 4; got -= 4 {
			gids = append(gids, binary.NativeEndian.Uint32(buf[got-4:]))
		}
		return gids, nil
	}
	return nil, unix.ERANGE
}
