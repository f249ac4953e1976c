// Package e2e runs the real lvsd on a real kernel: directors, real servers and clients in namespaces, ipvsadm and curl as
// witnesses. See test/README.md.
package e2e

import (
	"os"
	"testing"

	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.WithLvsd())) }
