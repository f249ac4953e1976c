package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// procStatus reads one number of /proc/PID/status, such as VmRSS in KB.
func procStatus(pid int, key string) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key+":" {
			return strconv.Atoi(f[1])
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, key)
}

// descriptors counts a process's open files.
func descriptors(pid int) (int, error) {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list), err
}

// asUser is the beginning of a command that another user runs.
func asUser(uid, gid int, more ...string) []string {
	argv := []string{"setpriv", "--reuid=" + strconv.Itoa(uid), "--regid=" + strconv.Itoa(gid), "--clear-groups", "--no-new-privs"}
	return append(argv, more...)
}
