package checks_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/checks"
)

// What is not a file of a sane size is neither waited for nor read into memory.
func TestTLSFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	pipe, long := filepath.Join(dir, "pipe"), filepath.Join(dir, "long")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(long, make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{pipe: "not a regular file", dir: "not a regular file", "/dev/zero": "not a regular file", long: "longer than 1 MB"} {
		for key, c := range map[string]*checks.TLS{"ca": {CA: path}, "cert": {Cert: path, Key: plain}, "key": {Cert: plain, Key: path}} {
			told := make(chan []checks.FieldError, 1)
			go func() { told <- c.Validate() }()
			select {
			case errs := <-told:
				if len(errs) != 1 || errs[0].Error() != key+": read "+path+": "+why {
					t.Errorf("%s: %v", key, errs)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s = %s: no answer", key, path)
			}
		}
	}
}
