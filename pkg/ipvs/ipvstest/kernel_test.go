package ipvstest_test

import (
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
)

func TestContract(t *testing.T) {
	ipvstest.TestKernel(t, func(*testing.T) ipvs.Kernel { return ipvstest.New(nil) })
}
