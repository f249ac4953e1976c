package lab_test

import (
	"os"
	"testing"

	"github.com/lvsd/lvsd/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
