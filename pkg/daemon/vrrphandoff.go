package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/pair"
)

// handoffEnv names the descriptor of a handoff to the program that is executed.
const handoffEnv = "LVSD_VRRP_HANDOFF"

// handoff is what one program of the vrrp process gives to the next by exec: at the start, so that every thread has real
// time from birth, and at a reload. The process, its sockets and the VIPs stay. Either may be the newer program: fields
// that are not known are passed over.
type handoff struct {
	Config   *link.Config `json:"config"`
	Trouble  string       `json:"trouble,omitempty"` // with the operator's file, in whose place Config is
	RealTime realTime     `json:"real_time"`
	Started  time.Time    `json:"started"`            // when the process did
	Lock     int          `json:"lock"`               // descriptor that holds the claim; -1 is none
	Link     int          `json:"link"`               // that listens
	Stranger string       `json:"stranger,omitempty"` // who has the claim's name in place of an lvsd
	Pair     *pair.Frozen `json:"pair,omitempty"`
	Close    []int        `json:"close,omitempty"` // descriptors that are to be closed when there is time; see linger
}

// exec puts the program that is now on disk in the place of this one, with the same arguments. It returns only if it
// fails; nothing has changed then. The program has the real time of the thread that exec is called on.
func (h *handoff) exec() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	program, err := os.Executable() // by its path: the file may be another one than when this program began
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write handoff: %w", err)
	}
	memory, err := unix.MemfdCreate("lvsd-vrrp", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make handoff: %w", err)
	}
	f := os.NewFile(uintptr(memory), "handoff")
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("write handoff: %w", err)
	}
	fds := append([]int{memory, h.Link}, h.Close...)
	if h.Lock >= 0 {
		fds = append(fds, h.Lock)
	}
	defer closeOnExec(fds, true)
	if err := closeOnExec(fds, false); err != nil {
		return fmt.Errorf("hand descriptors on: %w", err)
	}
	env := append(withoutHandoff(os.Environ()), handoffEnv+"="+strconv.Itoa(memory))
	if err := holdSignals(true); err != nil {
		return fmt.Errorf("hold signals back: %w", err)
	}
	err = unix.Exec(program, os.Args, env)
	return errors.Join(fmt.Errorf("execute %s: %w", program, err), holdSignals(false))
}

// holdSignals keeps signals of operators waiting while one program takes the place of another, which hears them when it
// asks for them (os/signal opens what is blocked).
func holdSignals(hold bool) error {
	var set unix.Sigset_t
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		set.Val[0] |= 1 << (uint(s) - 1)
	}
	how := unix.SIG_UNBLOCK
	if hold {
		how = unix.SIG_BLOCK
	}
	return unix.PthreadSigmask(how, &set, nil)
}

func closeOnExec(fds []int, on bool) error {
	flag := 0
	if on {
		flag = unix.FD_CLOEXEC
	}
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flag); err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
	}
	return nil
}

func withoutHandoff(env []string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, v := range env {
		if !strings.HasPrefix(v, handoffEnv+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// inherited gives what the program before handed on; nil if there was none.
func inherited() (*handoff, error) {
	text, ok := os.LookupEnv(handoffEnv)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(handoffEnv)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("read handoff: %s=%q is lvsd's own affair", handoffEnv, text)
	}
	f := os.NewFile(uintptr(fd), "handoff")
	defer f.Close()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read handoff: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return nil, fmt.Errorf("read handoff: %w", err)
	}
	var h handoff
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, fmt.Errorf("read handoff: %w", err)
	}
	if h.Config == nil || h.Link < 3 {
		return nil, errors.New("read handoff: it has no configuration or no link")
	}
	fds := append([]int{h.Link}, h.Close...)
	if h.Lock >= 0 {
		fds = append(fds, h.Lock)
	}
	if err := closeOnExec(fds, true); err != nil {
		return nil, fmt.Errorf("read handoff: %w", err)
	}
	return &h, nil
}
