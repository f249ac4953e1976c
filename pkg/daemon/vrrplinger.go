package daemon

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// linger makes copies of this process' packet sockets. The kernel waits for every processor when the last copy is closed
// (packet_release in net/packet/af_packet.c calls synchronize_net), some 5 to 20 ms each: between two programs that would
// be time without adverts, so the next one closes the copies when it has time.
func linger() (fds []int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil // later adverts are all it costs
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_PACKET {
			continue
		}
		if copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			fds = append(fds, copied)
		}
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
