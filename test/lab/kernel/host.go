package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// RunHere runs the job on the running kernel, in new mount, network and PID namespaces, and returns its exit status. It
// wants root, and is an error where the kernel has no IPVS.
func (j Job) RunHere(ctx context.Context) (status int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("run on this kernel: root is needed (sudo make test)")
	}
	// Asking for the family makes the kernel load the module, if there is one.
	if _, err := netlink.GenlFamilyGet("IPVS"); err != nil {
		return 0, fmt.Errorf("run on this kernel: it has no IPVS: %w", err)
	}
	p, err := j.prepare("here")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.remove()) }()
	args := append(isolated(), "--net", "--", "/bin/sh", p.dir+"/init")
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), "lab="+p.dir, "uml=")
	return p.run(ctx, cmd)
}

// A UML maps every page of its processes by a host mmap of its own; Go programs with many goroutines need more of them
// than the kernel's default, 65530, and die of a segmentation fault beyond it.
const (
	mapCountFile = "/proc/sys/vm/max_map_count"
	mapCount     = 1 << 20
)

// raiseMapCount sets the host's vm.max_map_count if it is too low.
func raiseMapCount() error {
	text, err := os.ReadFile(mapCountFile)
	if err != nil {
		return fmt.Errorf("read vm.max_map_count: %w", err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n >= mapCount {
		return nil
	}
	if err := os.WriteFile(mapCountFile, []byte(strconv.Itoa(mapCount)), 0); err != nil {
		return fmt.Errorf("raise vm.max_map_count: %w (as root: sysctl -w vm.max_map_count=%d)", err, mapCount)
	}
	return nil
}

// makeModuleDir makes /lib/modules, which a machine may lack whose kernel has no modules: init.sh mounts on it.
func makeModuleDir() error {
	if err := os.MkdirAll("/lib/modules", 0o755); err != nil {
		return fmt.Errorf("make a place for the kernel's modules: %w", err)
	}
	return nil
}
