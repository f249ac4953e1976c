package lab_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

func TestCable(t *testing.T) {
	client, server := two(t)
	server.Web(lab.WebConfig{})
	a := lab.Asking{URL: "http://10.0.0.2/"}
	expect := func(step, want string) {
		t.Helper()
		lab.Eventually(t, 5*time.Second, func() error {
			if got := outcome(client, a); got != want {
				return fmt.Errorf("%s: %s, want %s", step, got, want)
			}
			return nil
		})
	}
	port := server.Port(0)
	expect("at first", "rs1")
	port.Unplug()
	if got := server.Run("ip", "link", "show", "dev", "eth0"); !strings.Contains(got, "NO-CARRIER") {
		t.Errorf("unplugged: %s", got)
	}
	expect("unplugged", "timeout")
	port.Plug()
	expect("plugged", "rs1")
	port.Down()
	expect("down", "timeout")
	port.Up()
	expect("up", "rs1")
	port.Netem("loss 100%")
	expect("all lost", "timeout")
	port.Netem("delay 60ms")
	start := time.Now()
	expect("delayed", "rs1")
	if took := time.Since(start); took < 240*time.Millisecond { // two round trips, 60 ms each way
		t.Errorf("with 60 ms of delay each way a request took %s", took)
	}
	port.Netem("")
	expect("good again", "rs1")
}

func TestProcess(t *testing.T) {
	client, _ := two(t)
	var orphan, named string
	t.Run("inner", func(t *testing.T) {
		n := lab.New(t)
		h := n.Host("h")
		named = "/run/netns/" + h.Namespace()
		if _, err := os.Stat(named); err != nil {
			t.Error(err)
		}
		p := h.Start("sh", "-c", "trap 'echo got it; exit 4' TERM; sleep 1000 & echo child $!; wait")
		p.WaitFor("child ", 5*time.Second)
		orphan = strings.TrimSpace(strings.TrimPrefix(p.Output(), "child "))
		p.Signal(syscall.SIGTERM)
		if status := p.Wait(5 * time.Second); status != 4 || !strings.Contains(p.Output(), "got it") {
			t.Errorf("status %d, output %q", status, p.Output())
		}
		h.Start("sleep", "1000")
	})
	if _, err := os.Stat(named); !os.IsNotExist(err) {
		t.Errorf("the namespace of a test that ended: %v", err)
	}
	if pid, err := strconv.Atoi(orphan); err != nil {
		t.Error(err)
	} else {
		lab.Eventually(t, 5*time.Second, func() error {
			if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
				return fmt.Errorf("a process outlived its test: %s", stat)
			}
			return nil
		})
	}
	if out, err := client.Try("sh", "-c", "echo some; echo more >&2; exit 3"); out != "some\nmore" || err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%q, %v", out, err)
	}
	if got := client.Run("cat", "/proc/sys/net/ipv6/conf/default/accept_ra"); got != "0" {
		t.Errorf("a process sees the parameters of another machine: accept_ra is %s", got)
	}
	if got := client.Run("ls", "/sys/class/net"); !strings.Contains(got, "eth0") {
		t.Errorf("a process sees the interfaces %s", got)
	}
}

func TestCapture(t *testing.T) {
	client, server := two(t)
	server.Web(lab.WebConfig{})
	lines := server.Capture("eth0", "tcp port 80", "")
	file := t.ArtifactDir() + "/eth0.pcap"
	whole := client.Capture("eth0", "tcp port 80", file)
	if got := outcome(client, lab.Asking{URL: "http://10.0.0.2/"}); got != "rs1" {
		t.Fatal(got)
	}
	lab.Eventually(t, 5*time.Second, func() error {
		if got := lines.Lines(); len(got) < 6 || !strings.Contains(got[0], "10.0.0.1.") {
			return fmt.Errorf("captured %q", got)
		}
		return nil
	})
	whole.Stop()
	if got := client.Run("tcpdump", "-n", "-r", file); strings.Count(got, "10.0.0.2.80") < 6 {
		t.Errorf("the file holds %s", got)
	}
}

// A Fatalf inside Eventually carries what was wrong last.
func TestEventually(t *testing.T) {
	fake := &recorder{TB: t}
	tries := 0
	lab.Eventually(fake, 50*time.Millisecond, func() error { tries++; return fmt.Errorf("try %d", tries) })
	if want := fmt.Sprintf("not within 50ms: try %d", tries); fake.fatal != want || tries < 2 {
		t.Errorf("said %q, want %q", fake.fatal, want)
	}
	lab.Eventually(t, 0, func() error { return nil })
}

// recorder is a test that notes its end.
type recorder struct {
	testing.TB
	fatal string
}

func (r *recorder) Fatalf(format string, args ...any) { r.fatal = fmt.Sprintf(format, args...) }
