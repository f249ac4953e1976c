// Package units runs lvsd by its units, as they are installed, under systemd as the first process of a small Debian.
package units

import (
	"os"
	"testing"

	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.WithLvsd(), lab.WithMachines())) }
