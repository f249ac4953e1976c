// Package pair runs two directors that hold a VIP between them, lvsd or keepalived with equal settings, and breaks them:
// witnesses are the kernels' addresses, the wire, and a client that asks all the time. `make bench` prints both side by
// side; the tests hold lvsd to the bounds of SAFETY.md.
package pair

import (
	"os"
	"testing"

	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m, lab.WithLvsd())) }
