package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Apply implements Kernel. Changes go out many in a datagram, of which the last one asks for an answer; the kernel
// takes them in their order and answers each that fails by its number (netlink_rcv_skb in net/netlink/af_netlink.c).
// Once the kernel is not heard any more, nothing further is sent: the remaining changes have that error.
func (n *Netlink) Apply(changes []lvs.Change) []error {
	errs := make([]error, len(changes))
	done := 0
	for batch := range slices.Chunk(changes, batchSize) {
		if err := n.batch(batch, errs[done:done+len(batch)]); err != nil {
			n.Close()
			for i := done; i < len(errs); i++ {
				if errs[i] == nil {
					errs[i] = err
				}
			}
			return errs
		}
		done += len(batch)
	}
	return errs
}

// batch sends changes in one datagram and puts the kernel's refusals in errs. Its own error is a kernel that was not
// heard: then nothing is known of the changes that have no error.
func (n *Netlink) batch(changes []lvs.Change, errs []error) error {
	if err := n.connect(); err != nil {
		return err
	}
	var datagram []byte
	first, last, tail := n.seq+1, -1, 0
	for i, c := range changes {
		n.seq++
		m, err := changeMessage(n.family, 0, n.seq, c)
		if err != nil {
			errs[i] = err
			continue
		}
		last, tail = i, len(datagram)
		datagram = append(datagram, m.done()...)
	}
	if last < 0 {
		return nil
	}
	askForAnswer(datagram[tail:])
	if err := n.send(datagram); err != nil {
		return err
	}
	if err := n.answers(first, last, changes, errs); err != nil {
		return err
	}
	return n.sameFamily(errs)
}

// answers reads the kernel's refusals until the answer for the last change.
func (n *Netlink) answers(first uint32, last int, changes []lvs.Change, errs []error) error {
	for began := time.Now(); time.Since(began) < dumpTimeout; {
		messages, _, err := n.socket.Receive()
		if err != nil {
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		for _, m := range messages {
			i := int(m.Header.Seq - first)
			if m.Header.Type != unix.NLMSG_ERROR || i < 0 || i > last {
				continue
			}
			if err := errno(m.Data); err != nil {
				errs[i] = refusal(changes[i], err)
			}
			if i == last {
				return nil
			}
		}
	}
	return fmt.Errorf("%w within %s", errNoAnswer, dumpTimeout)
}

// sameFamily makes sure, after an ENOENT, that it was not the family that is not there: the module may have been
// unloaded, and loaded again under another number, since it was last asked.
func (n *Netlink) sameFamily(errs []error) error {
	if !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, unix.ENOENT) }) {
		return nil
	}
	family, err := n.resolve()
	if err == nil && family != n.family {
		err = fmt.Errorf("%w: ip_vs was loaded anew", errNoAnswer)
	}
	if err != nil {
		clear(errs)
	}
	return err
}

// refusal puts the kernel's answer to a change in words: net/netfilter/ipvs/ip_vs_ctl.c says which number means what.
func refusal(c lvs.Change, err error) error {
	var kind error
	switch number := err.(syscall.Errno); {
	case number == unix.EEXIST:
		kind = ErrExists
	case number == unix.ESRCH, number == unix.ENOENT && c.Op.OfServer():
		kind = ErrNotFound
	case number == unix.ENOENT && c.Service.Engine != "":
		return fmt.Errorf("scheduler %q or persistence engine %q: %w: modules ip_vs_%s, ip_vs_pe_%s: %w",
			c.Service.Scheduler, c.Service.Engine, ErrNoScheduler, c.Service.Scheduler, c.Service.Engine, err)
	case number == unix.ENOENT:
		return fmt.Errorf("scheduler %q: %w: module ip_vs_%s: %w", c.Service.Scheduler, ErrNoScheduler, c.Service.Scheduler, err)
	case number == unix.EPERM:
		return fmt.Errorf("%w: CAP_NET_ADMIN is needed: %w", ErrRefused, err)
	default:
		kind = ErrRefused
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// askForAnswer sets NLM_F_ACK in the flags of a finished message; see newMessage.
func askForAnswer(m []byte) {
	binary.NativeEndian.PutUint16(m[6:], binary.NativeEndian.Uint16(m[6:])|unix.NLM_F_ACK)
}
