package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lvsd/lvsd/test/lab"
)

// home holds the shell's files: bin, and a configuration for each director.
const home = "/run/lab"

const banner = `
                     client 198.51.100.1
                        |
   lan -----+-----------+--+----------+----------+------- 198.51.100.0/24, 2001:db8::/64
            |              |          |          |
   lvs-a .101  lvs-b .102  rs1 .103   rs2 .104   rs3 .105      VIPs 198.51.100.10, .20 and 2001:db8::10 at lvs-a
                                                               each rs answers on port 80 with its name
   A machine's name before a command runs it there:
      lvs-a lvsd run -c %[1]s/lvs-a.toml &          lvs-a ipvsadm -Ln
      lvs-a lvsd status -c %[1]s/lvs-a.toml         client curl 198.51.100.10
      rs1 ip link set eth0 down                          rs2 tc qdisc add dev eth0 root netem delay 100ms
   exit ends it all.

`

// machine is the command of a machine; without a command of its own to run it is a shell there.
const machine = `#!/bin/sh
[ $# -gt 0 ] || { PS1='%s:\w# '; export PS1; set -- /bin/bash --norc; }
exec ip netns exec %s "$@"
`

const config = `# director %[1]s of the lab
name  = "%[1]s"
state = "%[2]s/%[1]s"

[audit]
file = "%[2]s/%[1]s/audit.log"

[control]
socket = "%[2]s/%[1]s/lvsd.sock"

[check.alive]
type     = "http"
interval = "1s"
timeout  = "500ms"

[[service]]
name    = "news"
vips    = ["198.51.100.10", "198.51.100.20"]
ports   = [80]
forward = "dr"
checks  = ["alive"]
servers = ["198.51.100.103", "198.51.100.104", "198.51.100.105"]

[[service]]
name    = "news6"
vips    = ["2001:db8::10"]
ports   = [80]
forward = "dr"
checks  = ["alive"]
servers = ["2001:db8::103", "2001:db8::104", "2001:db8::105"]
`

// inside builds the topology, runs the command line or a shell in it, and returns its exit status.
func inside(line string) int {
	s := &session{}
	defer s.end()
	site := lab.OneBridge(s, lab.Size{Directors: 2, Servers: 3})
	for _, server := range site.Servers {
		server.Web(lab.WebConfig{})
	}
	if err := furnish(site); err != nil {
		s.Fatalf("%v", err)
	}
	cmd := exec.Command("/bin/bash", "-c", line)
	if line == "" {
		fmt.Printf(banner, home)
		cmd = exec.Command("/bin/bash", "--norc", "-i")
		size := exec.Command("stty", "rows", os.Getenv("LINES"), "cols", os.Getenv("COLUMNS"))
		size.Stdin = os.Stdin
		_ = size.Run() // of a size that is not known it stays 80x24
	}
	path := filepath.Join(home, "bin") + ":" + os.Getenv("LAB_BIN") + ":" + os.Getenv("PATH")
	cmd.Env = append(os.Environ(), "PATH="+path, `PS1=lab:\w# `)
	cmd.Dir = home
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatalf("run shell: %v", err)
	}
	return cmd.ProcessState.ExitCode()
}

// furnish writes a command for each machine, and a configuration for each director.
func furnish(site *lab.Site) error {
	bin := filepath.Join(home, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, h := range append(append([]*lab.Host{site.Client}, site.Directors...), site.Servers...) {
		script := fmt.Sprintf(machine, h.Name, h.Namespace())
		if err := os.WriteFile(filepath.Join(bin, h.Name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	for _, d := range site.Directors {
		if err := os.MkdirAll(filepath.Join(home, d.Name), 0o755); err != nil {
			return err
		}
		text := strings.TrimPrefix(fmt.Sprintf(config, d.Name, home), "\n")
		if err := os.WriteFile(filepath.Join(home, d.Name+".toml"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
