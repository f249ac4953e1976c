package daemon

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

var (
	web  = lvs.Key{Protocol: lvs.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:80")}
	dns6 = lvs.Key{Protocol: lvs.UDP, Addr: netip.MustParseAddrPort("[2001:db8::1]:53")}
	mark = lvs.Key{Mark: 7, IPv6: true}
)

func TestOwnedSurvives(t *testing.T) {
	dir := t.TempDir()
	if got, err := ReadOwned(dir); err != nil || len(got) != 0 {
		t.Fatalf("a missing file: %v, %v", got, err)
	}
	want := map[lvs.Key]bool{web: true, dns6: true, mark: true}
	if err := writeOwned(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadOwned(dir)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestVerdictsSurvive(t *testing.T) {
	dir := t.TempDir()
	a := lvs.CheckID{Check: "alive", Addr: netip.MustParseAddrPort("10.0.0.1:80")}
	b := lvs.CheckID{Check: "alive", Addr: netip.MustParseAddrPort("[2001:db8::5]:80")}
	if err := writeVerdicts(dir, map[lvs.CheckID]director.Known{a: {Verdict: lvs.Up, Since: time.Now()}, b: {Verdict: lvs.Down}}); err != nil {
		t.Fatal(err)
	}
	got, err := readVerdicts(dir)
	if want := map[lvs.CheckID]lvs.Verdict{a: lvs.Up, b: lvs.Down}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

// A state file cut short at any byte is an error and an empty state, never half of one.
func TestTornState(t *testing.T) {
	dir := t.TempDir()
	if err := writeOwned(dir, map[lvs.Key]bool{web: true, dns6: true}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, ownedFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 { // without the newline it is still whole
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadOwned(dir); err == nil || len(got) != 0 {
			t.Fatalf("%d of %d bytes: %v, %v", n, len(whole), got, err)
		}
	}
}

// Of another version's file only the format is understood, whatever else is in it.
func TestStateOfAnotherFormat(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ownedFile), []byte(`{"format":2,"services":{"a":1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadOwned(dir); err == nil || !strings.Contains(err.Error(), "format 2, this lvsd knows 1") || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestStateCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := writeOwned(dir, map[lvs.Key]bool{web: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ownedFile+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeOwned(dir, map[lvs.Key]bool{dns6: true}); err == nil {
		t.Error("no error for a state file that cannot be written")
	}
	if got, err := ReadOwned(dir); err != nil || !got[web] {
		t.Errorf("the old state is gone: %v, %v", got, err)
	}
}

func FuzzReadState(f *testing.F) {
	f.Add([]byte(`{"format":1,"services":["tcp 192.0.2.1:80","fwmark 7 ipv4"]}`))
	f.Add([]byte(`{"format":2,"services":[]}`))
	f.Add([]byte(`{"format":1,"verdicts":[{"check":"alive","address":"10.0.0.1:80","verdict":"up"}]}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{ownedFile, verdictsFile} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		owned, err := ReadOwned(dir)
		if err != nil && len(owned) > 0 {
			t.Errorf("error %v, yet services %v", err, owned)
		}
		known, err := readVerdicts(dir)
		if err != nil && len(known) > 0 {
			t.Errorf("error %v, yet verdicts %v", err, known)
		}
	})
}
