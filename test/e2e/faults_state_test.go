package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/test/lab"
)

// TestFaultsState: with state that cannot be read or written lvsd starts over a working table, tells, and changes nothing.
func TestFaultsState(t *testing.T) {
	d, web := newPair(t)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	owned, verdicts := d.file("state/owned.json"), d.file("state/verdicts.json")
	lab.Eventually(t, 5*time.Second, func() error { _, err := os.Stat(verdicts); return err })
	d.stop()
	both := func(text string) func() error {
		return func() error {
			return errors.Join(os.WriteFile(owned, []byte(text), 0o600), os.WriteFile(verdicts, []byte(text), 0o600))
		}
	}
	nothing := func() error { return nil }
	for _, tt := range []struct {
		name        string
		spoil, mend func() error
		says        string // in the log; empty: nothing to tell
	}{
		{"whole", nothing, nothing, ""},
		{"torn", func() error { return errors.Join(os.Truncate(owned, 20), os.Truncate(verdicts, 30)) }, nothing, "unexpected EOF"},
		{"empty", both(""), nothing, "EOF"},
		{"of a later version", both(`{"format":99,"services":{"x":1},"verdicts":7}`), nothing, "format 99"},
		{"garbage", both("\x00\xff\x00"), nothing, "invalid character"},
		{"directories", func() error {
			return errors.Join(os.Remove(owned), os.Remove(verdicts), os.Mkdir(owned, 0o700), os.Mkdir(verdicts, 0o700))
		}, func() error { return errors.Join(os.Remove(owned), os.Remove(verdicts)) }, "is a directory"},
		{"a file in the directory's place", func() error {
			return errors.Join(os.RemoveAll(d.file("state")), os.WriteFile(d.file("state"), nil, 0o600))
		}, func() error { return os.Remove(d.file("state")) }, "not a directory"},
		{
			"read-only", func() error { return unix.Mount("none", d.file("state"), "tmpfs", unix.MS_RDONLY, "") },
			func() error { return unix.Unmount(d.file("state"), 0) }, "read-only",
		},
		{
			"full", func() error { mountSmall(t, d.file("state"), "64k").fill(); return nil },
			func() error { return unix.Unmount(d.file("state"), 0) }, "no space left",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.MkdirAll(filepath.Dir(owned), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(); err != nil {
				t.Fatal(err)
			}
			w := watchTable(t, d.host, virtual)
			d.start()
			d.ready()
			w.still(t)
			if got := d.mustStatus().Kernel.Writes; got != 0 {
				t.Errorf("%d writes at a start over a table as it should be", got)
			}
			d.works(web[0])
			if tt.says != "" {
				d.proc.WaitFor(tt.says, 5*time.Second)
			}
			d.stop()
			if err := tt.mend(); err != nil {
				t.Fatal(err)
			}
		})
	}
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	lab.Eventually(t, 5*time.Second, func() error { _, err := os.Stat(verdicts); return err })
	d.stop()
}
