package audit

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLogrotate runs logrotate (package logrotate) with the file that lvsd ships, on a log that is reopened on SIGUSR1.
func TestLogrotate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "audit.log")
	shipped, err := os.ReadFile("../../etc/logrotate.d/lvsd")
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.NewReplacer(
		"/var/log/lvsd/audit.log", file,
		"su lvsd lvsd", "su root root",
		"systemctl kill --kill-who=main --signal=SIGUSR1 lvsd.service 2>/dev/null || true", fmt.Sprintf("kill -USR1 %d", os.Getpid()),
	).Replace(string(shipped))
	if strings.Contains(rules, "lvsd lvsd") || strings.Contains(rules, "systemctl") {
		t.Fatalf("not all was replaced:\n%s", rules)
	}
	config := filepath.Join(dir, "logrotate.conf")
	if err := os.WriteFile(config, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)

	l := open(t, Config{File: file})
	const rounds, each = 4, 100
	for i := range rounds {
		record(l, i*each, i*each+each)
		settled(t, l)
		c := exec.Command("logrotate", "--force", "--state", filepath.Join(dir, "state"), config)
		if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("logrotate: %v\n%s", err, out)
		}
		<-usr1
		l.Reopen()
		until(t, "a new file", func() bool { _, err := os.Stat(file); return err == nil })
	}
	wantRead(t, file, numbers(0, rounds*each))
	for _, name := range []string{"audit.log.1", "audit.log.2.gz", "audit.log.4.gz"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
