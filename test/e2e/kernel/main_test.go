// Package kernel_test holds pkg/ipvs and the printing of pkg/lvs against the real kernel and the real ipvsadm.
package kernel_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/test/contract"
	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// open gives the host's kernel table.
func open(t *testing.T, h *lab.Host) *ipvs.Netlink {
	t.Helper()
	var k *ipvs.Netlink
	err := h.Do(func() (err error) {
		k, err = ipvs.Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// feed gives lines to ipvsadm -R.
func feed(t *testing.T, h *lab.Host, lines string) {
	t.Helper()
	var out []byte
	err := h.Do(func() (err error) {
		cmd := exec.Command("ipvsadm", "-R")
		cmd.Stdin = strings.NewReader(lines)
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil || len(out) > 0 {
		t.Fatalf("ipvsadm -R: %v: %s\n%s", err, out, lines)
	}
}

// said gives what a command printed, byte for byte.
func said(t *testing.T, h *lab.Host, name string, args ...string) string {
	t.Helper()
	var out []byte
	err := h.Do(func() (err error) {
		out, err = exec.Command(name, args...).CombinedOutput()
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// commands gives changes as lines for ipvsadm -R.
func commands(changes []lvs.Change) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.String() + "\n")
	}
	return b.String()
}

func TestContract(t *testing.T) {
	contract.Kernel(t, func(t *testing.T) ipvs.Kernel { return open(t, lab.New(t).Host("lvs-a")) })
}
