package ipvstest_test

import (
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/test/contract"
)

func TestContract(t *testing.T) {
	contract.Kernel(t, func(*testing.T) ipvs.Kernel { return ipvstest.New(nil) })
}
