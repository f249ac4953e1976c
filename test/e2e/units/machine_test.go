package units

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// TestMachine holds the lab's machines to what the other tests rely on: units start, die, are started again and logged.
func TestMachine(t *testing.T) {
	h := lab.OneBridge(t, lab.Size{Unheld: true}).Directors[0]
	m := h.Machine()
	const unit = "[Service]\nExecStart=/bin/sh -c 'echo began; exec sleep 1000'\nRestart=always\nRestartSec=0\nExecStopPost=/bin/echo over $SERVICE_RESULT\n" +
		"CPUSchedulingPolicy=fifo\nCPUSchedulingPriority=50\n"
	if err := os.WriteFile(m.File("/etc/systemd/system/trivial.service"), []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	m.Boot()
	t.Logf("booted in %s", time.Since(began).Round(100*time.Millisecond))
	if got := m.Run("cat", "/proc/1/comm"); got != "systemd" {
		t.Errorf("the first process is %s", got)
	}
	if got := m.Run("ip", "-brief", "address", "show", "dev", "eth0"); !strings.Contains(got, h.Address().String()) {
		t.Errorf("the machine is not in the host's network: %s", got)
	}
	m.Run("systemctl", "start", "trivial")
	if got := m.Run("chrt", "--pid", m.Property("trivial", "MainPID")); !strings.Contains(got, "SCHED_FIFO") {
		t.Errorf("scheduling: %s", got)
	}
	m.Run("systemctl", "kill", "--signal=KILL", "trivial")
	lab.Eventually(t, 10*time.Second, func() error {
		if n := m.Property("trivial", "NRestarts"); n != "1" {
			return fmt.Errorf("%s restarts, want 1", n)
		}
		return nil
	})
	m.Run("systemctl", "stop", "trivial")
	if j := m.Journal("trivial"); strings.Count(j, "began") != 2 || !strings.Contains(j, "over signal") || !strings.Contains(j, "over success") {
		t.Errorf("journal:\n%s", j)
	}
}
