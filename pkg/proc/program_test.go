package proc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lvsd/lvsd/pkg/proc"
)

func TestCheckArgv(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		argv []string
		want string
	}{
		{"well", []string{"/bin/true", "{state}", "{print $1}", "x{no}y"}, ""},
		{"nothing", nil, "is missing: a list, the program's absolute path first"},
		{"by PATH", []string{"true"}, `"true" is not an absolute path`},
		{"zero byte", []string{"/bin/true", "a\x00b"}, "holds a zero byte"},
		{"placeholder", []string{"/bin/true", "{stat}"}, "no such placeholder: {stat}; there are {name} {state}"},
		{"missing", []string{dir + "/no"}, "stat " + dir + "/no: no such file or directory"},
		{"not executable", []string{plain}, plain + " is not an executable file"},
		{"directory", []string{dir}, dir + " is not an executable file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := proc.CheckArgv(tt.argv, "{name}", "{state}"); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRunner(t *testing.T) {
	if u, err := proc.Runner(""); u != nil || err != nil {
		t.Errorf("nobody named: %v, %v", u, err)
	}
	if u, err := proc.Runner("no-such-user"); u != nil || err == nil {
		t.Errorf("nobody of that name: %v, %v", u, err)
	}
	u, err := proc.Runner("daemon")
	if os.Getuid() == 0 && (err != nil || u == nil || u.Name != "daemon") {
		t.Errorf("%v, %v", u, err)
	}
	const want = "run as daemon: needs CAP_SETUID, CAP_SETGID and CAP_KILL; for lvsd install the systemd drop-in " + proc.DropIn
	if os.Getuid() != 0 && (err == nil || err.Error() != want) {
		t.Errorf("%v", err)
	}
}

// Who runs as root or under a name runs only what others cannot change; who runs as himself runs what he likes.
func TestTrustedBy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o777); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	err := proc.TrustedBy(file, nil)
	if (err != nil) != (os.Geteuid() == 0) {
		t.Errorf("as uid %d: %v", os.Geteuid(), err)
	}
	if err := proc.TrustedBy(file, &proc.User{Name: "daemon", UID: 1}); err == nil {
		t.Error("trusted, though everybody may write to it")
	}
}
