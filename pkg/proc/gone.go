package proc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// remains is what may be left of a program after Run has returned: its group holds a process that sleeps in the kernel,
// or the exec itself still hangs.
type remains struct {
	reaped chan struct{} // closed when the leader is reaped, or was never started
	group  int           // its number, valid then; 0 if there was none
}

// Gone waits until no process of the program's group runs any more: Run has killed all of them, but one that sleeps in
// the kernel for a device dies only when that wakes it. It reports false if ctx is done first. A process that left the
// group (setsid) is not waited for.
func (r Result) Gone(ctx context.Context) bool {
	if r.left == nil {
		return true
	}
	select {
	case <-r.left.reaped:
	case <-ctx.Done():
		return false
	}
	for pause := time.Millisecond; !groupEmpty(r.left.group); pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
	return true
}

// groupEmpty reports whether nothing of a process group runs. The kernel gives a group's number to nobody else while the
// group has a member, and a dead one that its parent does not reap is still a member: whether the rest is dead is in
// /proc.
func groupEmpty(group int) bool {
	if group == 0 || errors.Is(unix.Kill(-group, 0), unix.ESRCH) {
		return true
	}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range all {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		if stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat"); err == nil && livesIn(stat, group) {
			return false
		}
	}
	return true
}

// livesIn reports whether a line of /proc/PID/stat (proc_pid_stat(5)) is of a living process of a group.
func livesIn(stat []byte, group int) bool {
	const state, pgrp = 0, 2 // counted from behind the name, which may hold anything
	words := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(words) <= pgrp || string(words[pgrp]) != strconv.Itoa(group) {
		return false
	}
	return string(words[state]) != "Z" && string(words[state]) != "X"
}
