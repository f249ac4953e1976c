package checks_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/checks"
)

// What each error of a socket means, wrapped as the net package does.
func TestOutcomeOfErrors(t *testing.T) {
	means := map[checks.Outcome][]syscall.Errno{
		checks.Refused:  {unix.ECONNREFUSED, unix.ECONNRESET, unix.ECONNABORTED, unix.EPIPE, unix.ENOPROTOOPT},
		checks.NoAnswer: {unix.EHOSTUNREACH, unix.ETIMEDOUT, unix.EHOSTDOWN},
		checks.NotAsked: {
			unix.ENETUNREACH, unix.EACCES, unix.EPERM, unix.EMFILE, unix.ENFILE, unix.EADDRNOTAVAIL, unix.EADDRINUSE, unix.EAGAIN,
			unix.ENOBUFS, unix.ENOMEM, unix.ENODEV, unix.ENETDOWN, unix.EAFNOSUPPORT, unix.EINVAL,
			unix.EIO, unix.ENOSYS, // not in the table
		},
	}
	for outcome, errnos := range means {
		for _, errno := range errnos {
			err := fmt.Errorf("ask: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)})
			got, words := checks.OutcomeOf(err)
			if got != outcome || words == "" {
				t.Errorf("%v: %v (%s), want %v", errno, got, words, outcome)
			}
		}
	}
	if got, words := checks.OutcomeOf(errors.New("odd")); got != checks.NotAsked || words != "odd" {
		t.Errorf("an unknown error: %v (%s)", got, words)
	}
}
