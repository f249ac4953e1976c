package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const dropIn = "lvsd.service.d/lvsd-scripts-as-other-users.conf"

// unitPath copies units to a directory for systemd's tools, with a program that exists here.
func unitPath(t *testing.T, names ...string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("../../systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(strings.ReplaceAll(string(b), "/usr/sbin/lvsd ", program+" ")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// analyze runs systemd-analyze (package systemd, which needs not be running).
func analyze(t *testing.T, dir string, arg ...string) (string, error) {
	t.Helper()
	c := exec.Command("systemd-analyze", arg...)
	c.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "SYSTEMD_COLORS=0", "LC_ALL=C.UTF-8", "SYSTEMD_LOG_LEVEL=notice")
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestUnitIsValid(t *testing.T) {
	for _, names := range [][]string{{"lvsd.service"}, {"lvsd.service", dropIn}, {"lvsd-vrrp.service"}} {
		out, err := analyze(t, unitPath(t, names...), "verify", "--man=no", names[0])
		// An older systemd does not know notify-reload, and takes the line before it; nothing else may be said.
		out = regexp.MustCompile(`(?m)^.*Failed to parse service type, ignoring: notify-reload\n`).ReplaceAllString(out, "")
		if err != nil || out != "" {
			t.Errorf("verify %v: %v\n%s", names, err, out)
		}
	}
}

// TestUnitIsConfined holds the units to systemd's own score, of 0 (closed) to 10 (open): what is left in it is what lvsd
// is for, the network, and for VRRP real time.
func TestUnitIsConfined(t *testing.T) {
	for _, tt := range []struct {
		names  []string
		tenths string // at most; empty is any
		users  string // whether it may become other users
	}{
		{[]string{"lvsd.service"}, "25", "✓"},
		{[]string{"lvsd.service", dropIn}, "", "✗"},
		{[]string{"lvsd-vrrp.service"}, "25", "✓"},
	} {
		arg := []string{"security", "--offline=yes", "--no-pager", tt.names[0]}
		if tt.tenths != "" {
			arg = append(arg, "--threshold="+tt.tenths)
		}
		out, err := analyze(t, unitPath(t, tt.names...), arg...)
		if err != nil || !strings.Contains(out, "Overall exposure level for "+tt.names[0]) {
			t.Errorf("security %v: %v\n%s", tt.names, err, out)
		}
		for line, mark := range map[string]string{
			"CapabilityBoundingSet=~CAP_SET(UID|GID|PCAP)": tt.users,
			"CapabilityBoundingSet=~CAP_KILL":              tt.users,
			"CapabilityBoundingSet=~CAP_NET_ADMIN":         "✗",
			"CapabilityBoundingSet=~CAP_SYS_ADMIN":         "✓",
			"CapabilityBoundingSet=~CAP_SYS_MODULE":        "✓",
		} {
			if !strings.Contains(out, mark+" "+line+" ") {
				t.Errorf("%v: want %s for %s in\n%s", tt.names, mark, line, out)
			}
		}
	}
}

func TestUserIsMade(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs("../../systemd/sysusers.d/lvsd.conf")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-sysusers", "--root="+root, file).CombinedOutput(); err != nil {
		t.Fatalf("systemd-sysusers: %v\n%s", err, out)
	}
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !regexp.MustCompile(`^lvsd:x:[0-9]+:[0-9]+:IPVS director:/var/lib/lvsd:/usr/sbin/nologin\n$`).Match(passwd) {
		t.Errorf("passwd: %v\n%s", err, passwd)
	}
}
