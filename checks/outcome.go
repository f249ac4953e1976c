package checks

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// meaning is what an errno says of a try.
type meaning struct {
	outcome Outcome
	words   string
}

// errnos are the errors that say the same whether the connection is being made or stands. See connect(2), tcp(7), and
// icmp_err_convert in net/ipv4/icmp.c for what ICMP becomes. Those that mean two things are looked into by dial.
var errnos = map[syscall.Errno]meaning{
	unix.ECONNREFUSED: {Refused, "connection refused"},
	unix.ECONNRESET:   {Refused, "connection reset"},
	unix.ECONNABORTED: {Refused, "connection aborted"},
	unix.EPIPE:        {Refused, "connection closed by the server"},
	unix.ENOPROTOOPT:  {Refused, "protocol unreachable, says ICMP"},

	// A neighbour that does not answer ARP or ND, or a router that cannot find it. The first proves no path.
	unix.EHOSTUNREACH: {NoAnswer, "no route to host: nobody answers ARP or ND, or a router says so"},
	unix.ETIMEDOUT:    {NoAnswer, "connection timed out"},
	unix.EHOSTDOWN:    {NoAnswer, "host is down"},

	unix.ENETUNREACH:   {NotAsked, "this host has no route to it"},
	unix.EACCES:        {NotAsked, "this host does not allow it: permission denied"},
	unix.EPERM:         {NotAsked, "this host does not allow it: operation not permitted"},
	unix.EMFILE:        {NotAsked, "this process has too many open files"},
	unix.ENFILE:        {NotAsked, "this host has too many open files"},
	unix.EADDRNOTAVAIL: {NotAsked, "no such source address on this host, or no free port"},
	unix.EADDRINUSE:    {NotAsked, "source address in use, or no free port"},
	unix.EAGAIN:        {NotAsked, "no free port or routing entry on this host"},
	unix.ENOBUFS:       {NotAsked, "no buffer space on this host"},
	unix.ENOMEM:        {NotAsked, "no memory on this host"},
	unix.ENODEV:        {NotAsked, "no such interface on this host"},
	unix.ENETDOWN:      {NotAsked, "interface of this host is down"},
	unix.EAFNOSUPPORT:  {NotAsked, "address family not supported by this host"},
	unix.EINVAL:        {NotAsked, "this host cannot send to it: invalid argument"},
}

// outcomeOf says what an error of a socket means. What it does not know is an error of this host.
func outcomeOf(err error) (Outcome, string) {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if m, ok := errnos[errno]; ok {
			return m.outcome, m.words
		}
		return NotAsked, errno.Error()
	}
	return NotAsked, err.Error()
}

// timedOut reports whether err is the end of the time that was given, not an answer of the network.
func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
