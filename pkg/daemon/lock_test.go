package daemon

import (
	"strings"
	"testing"
)

func TestOneLvsdAHost(t *testing.T) {
	first, err := lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(); err == nil || !strings.Contains(err.Error(), "another lvsd run") {
		t.Errorf("second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lock()
	if err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	again.Close()
}
