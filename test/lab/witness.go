package lab

import (
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Ipvsadm is the host's table as ipvsadm -Ln prints it, headings and counters with it.
func (h *Host) Ipvsadm() string {
	h.net.t.Helper()
	return h.Run("ipvsadm", "-Ln")
}

// Table is the host's table as ipvsadm -Sn prints it: one line per service and server, sorted by the kernel, without
// counters. Empty is an empty table.
func (h *Host) Table() string {
	h.net.t.Helper()
	return strings.TrimSpace(h.Run("ipvsadm", "-Sn"))
}

// Capture is what tcpdump sees on a host.
type Capture struct {
	p *Process
}

// Capture starts tcpdump on an interface of the host and returns when it sees packets. file, unless empty, gets them as
// pcap; else Lines tells them.
func (h *Host) Capture(device, filter, file string) *Capture {
	h.net.t.Helper()
	args := []string{"-i", device, "-n", "-l", "-tt", "--immediate-mode", "-Z", "root"}
	if file != "" {
		args = append(args, "-U", "-w", file)
	}
	c := &Capture{p: h.Start("tcpdump", append(args, filter)...)}
	c.p.WaitFor("listening on", 10*time.Second)
	return c
}

// Lines are the packets so far, each beginning with seconds since 1970.
func (c *Capture) Lines() []string {
	var lines []string
	for line := range strings.Lines(c.p.Output()) {
		stamp, _, _ := strings.Cut(line, " ")
		if _, err := strconv.ParseFloat(stamp, 64); err == nil && strings.Contains(stamp, ".") && strings.HasSuffix(line, "\n") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// Stop ends the capture; the file is then whole.
func (c *Capture) Stop() {
	c.p.t.Helper()
	c.p.Signal(syscall.SIGINT)
	c.p.Wait(10 * time.Second)
}
