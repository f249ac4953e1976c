package daemon

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/link"
)

// What the vrrp process asks of the kernel. Adverts are a priority above the rest of the process, so that neither the
// link nor the collector of garbage holds one up.
const (
	fifoRest    = 50
	fifoAdverts = 51
	niceAtBest  = -20
	rtBrake     = time.Second // of processor without a wait in between (RLIMIT_RTTIME): a loop gone wild is killed
	fastAdvert  = 100 * time.Millisecond
)

// Heap of the vrrp process: no collection before it has grown to 64 MiB, which at a state a second takes hours, and no
// more than heapLimit for long. Go begins to collect at 4 MiB * percent / 100 (runtime/mgc.go, heapMinimum).
const (
	heapPercent = 1600
	heapLimit   = 192 << 20
)

// realTime is what the kernel granted.
type realTime struct {
	Fifo  bool
	Words string // "fifo 50", or what it is instead and why
}

// askRealTime asks for the thread that it is called on, which is the caller's alone; the threads of a program that it
// executes have it from birth.
func askRealTime() realTime {
	err := schedule(fifoRest)
	if err == nil {
		return realTime{true, fmt.Sprintf("fifo %d", fifoRest)}
	}
	if errors.Is(err, unix.EPERM) {
		err = errors.New("the kernel does not permit it: no CAP_SYS_NICE and no LimitRTPRIO, or a control group without real time")
	}
	if nice := unix.Setpriority(unix.PRIO_PROCESS, 0, niceAtBest); nice != nil {
		return realTime{false, fmt.Sprintf("ordinary priority, neither real time nor nice %d: %v", niceAtBest, err)}
	}
	return realTime{false, fmt.Sprintf("nice %d, no real time: %v", niceAtBest, err)}
}

// schedule gives the calling thread a SCHED_FIFO priority (sched(7)); 0 makes it an ordinary one. The flag
// SCHED_FLAG_RESET_ON_FORK stays off: threads made by this one are to have what it has.
func schedule(priority uint32) error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Priority: priority}
	if priority > 0 {
		attr.Policy = unix.SCHED_FIFO
	}
	return unix.SchedSetAttr(0, &attr, 0)
}

// aside does work that may take long, such as parsing, on a thread of ordinary priority, and waits for it. The thread
// ends with it.
func aside(work func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread is not given back
		_ = schedule(0)
		work()
	}()
	<-done
}

// settleMemory keeps the process in memory and the collector of garbage away from the adverts. What could not be had is
// the error; the process works without.
func settleMemory() error {
	debug.SetGCPercent(heapPercent)
	debug.SetMemoryLimit(heapLimit)
	if runtime.GOMAXPROCS(0) < 4 { // a thread that wakes for an advert finds its turn though others are at work
		runtime.GOMAXPROCS(4)
	}
	// Locked once they are used: Go reserves far more address space than it uses.
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory: %w (LimitMEMLOCK=infinity or CAP_IPC_LOCK)", err)
	}
	return readProgram()
}

// readProgram has all of the program's file in memory and locked: no advert waits for a disk.
func readProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("lock the program: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("lock the program: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if !strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+program) {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			return fmt.Errorf("lock the program: read /proc/self/maps: %w", err)
		}
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK, from, to-from, 0); errno != 0 {
			return fmt.Errorf("lock the program: %w", errno)
		}
	}
	return nil
}

// brake has the kernel kill a real-time process that does not wait for rtBrake.
func brake() error {
	limit := uint64(rtBrake / time.Microsecond)
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_RTTIME, &now); err != nil {
		return fmt.Errorf("read RLIMIT_RTTIME: %w", err)
	}
	limit = min(limit, now.Max)
	if err := unix.Setrlimit(unix.RLIMIT_RTTIME, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("set RLIMIT_RTTIME: %w", err)
	}
	return nil
}

// checkSpeed refuses adverts that are faster than a process without real time can promise.
func checkSpeed(c *link.Config, rt realTime, force bool) error {
	if rt.Fifo || force {
		return nil
	}
	for _, r := range c.Routers {
		if r.Interval < fastAdvert {
			return fmt.Errorf("vrrp %s: adverts every %v need real time, and this process has %s; have it granted, "+
				"advertise every %v or slower, or run it with --force", r.Name, r.Interval, rt.Words, fastAdvert)
		}
	}
	return nil
}
