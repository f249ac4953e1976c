// Package test holds what is tested about the program as a whole. This file is about its shape: seven floors, an import
// only goes down. pkg/README.md draws them.
package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lvsd/lvsd/"

// floors are the packages of each floor, the lowest first.
var floors = [][]string{
	1: {"pkg/lvs", "pkg/vip", "pkg/reconcile", "pkg/audit", "pkg/proc", "pkg/neighbor", "pkg/systemd"},
	2: {"checks", "pkg/plan", "pkg/ipvs", "pkg/vrrp", "pkg/notify"},
	3: {"pkg/health", "pkg/link"},
	4: {"pkg/director", "pkg/pair"},
	5: {"pkg/config", "pkg/control"},
	6: {"pkg/daemon"},
	7: {"cmd/lvsd"},
}

// only says which packages may import something: what is named and all below it.
var only = map[string][]string{
	"github.com/rs/zerolog":                  {"pkg/daemon", "cmd/lvsd"},
	"github.com/spf13/cobra":                 {"cmd/lvsd"},
	"github.com/BurntSushi/toml":             {"pkg/config"},
	"github.com/pelletier/go-toml":           {"pkg/config"},
	"github.com/moby/ipvs":                   {"pkg/ipvs"},
	"github.com/vishvananda/netlink":         {"pkg/ipvs", "pkg/vip", "pkg/neighbor", "pkg/pair"},
	"github.com/DeRuina/timberjack":          {"pkg/audit"},
	"github.com/coreos/go-systemd":           {"pkg/systemd"},
	"os/exec":                                {"pkg/proc"},
	"github.com/lvsd/lvsd/pkg/config":        {"pkg/daemon", "cmd/lvsd"},
	"testing":                                {"pkg/ipvs/ipvstest", "pkg/vip/viptest", "pkg/vrrp/vrrptest"},
	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest": {"cmd/lvsd"},
	"github.com/lvsd/lvsd/pkg/vip/viptest":   {"cmd/lvsd"},
	"github.com/lvsd/lvsd/pkg/vrrp/vrrptest": {"cmd/lvsd"},
	"github.com/lvsd/lvsd/test":              {},
	"github.com/lvsd/lvsd/cmd":               {},
}

// pure are the packages that do no I/O, and the imports by which one would.
var (
	pure    = []string{"pkg/lvs", "pkg/plan", "pkg/director", "pkg/reconcile"}
	devices = []string{"os", "net", "net/http", "syscall", "os/exec", "golang.org/x/sys"}
)

// ours are the only packages of ours that a package may import.
var ours = map[string][]string{
	"checks": {"pkg/proc"},
}

// listed is a package as go list tells it.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func (l listed) path() string { return strings.TrimPrefix(l.ImportPath, module) }

// packages are all packages of the module.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		all = append(all, l)
	}
}

// floor is the floor of a package of ours; 0 is none. A test double such as pkg/ipvs/ipvstest is on the floor of what it
// doubles.
func floor(p string) int {
	if double(p) {
		p = path.Dir(p)
	}
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, p) })
}

func double(p string) bool { return path.Base(p) == path.Base(path.Dir(p))+"test" }

// problems are what is wrong about a package's imports, one line each.
func problems(l listed) []string {
	p := l.path()
	if p == "test" || strings.HasPrefix(p, "test/") {
		return nil // tests may see everything
	}
	if floor(p) < 1 {
		return []string{p + " is on no floor: list it in test/floors_test.go and pkg/README.md"}
	}
	var out []string
	for _, imported := range l.Imports {
		if why := wrong(p, imported); why != "" {
			out = append(out, p+" imports "+imported+": "+why)
		}
	}
	for _, imported := range slices.Concat(l.TestImports, l.XTestImports) {
		q, our := strings.CutPrefix(imported, module)
		if our && !strings.HasPrefix(q, "test/") && floor(q) > floor(p) {
			out = append(out, "a test of "+p+" imports "+imported+", which is above it")
		}
	}
	return out
}

// wrong says why p may not import something, or nothing.
func wrong(p, imported string) string {
	for what, who := range only {
		if below(imported, what) && !slices.Contains(who, p) && imported != module+path.Dir(p) {
			return "that is for " + strings.Join(append(who, "tests"), ", ")
		}
	}
	if slices.Contains(pure, p) && slices.ContainsFunc(devices, func(what string) bool { return imported == what || what == "golang.org/x/sys" && below(imported, what) }) {
		return "it does no I/O"
	}
	q, our := strings.CutPrefix(imported, module)
	switch {
	case !our:
		return ""
	case double(p) && q == path.Dir(p):
		return ""
	case floor(q) >= floor(p):
		return "an import only goes down the floors"
	}
	if allowed, limited := ours[p]; limited && !slices.Contains(allowed, q) {
		return "of ours it may import only " + strings.Join(allowed, ", ")
	}
	return ""
}

// below says whether an import is of a package or of one below it.
func below(imported, what string) bool {
	return imported == what || strings.HasPrefix(imported, what+"/")
}

func TestFloors(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("go list found %d packages", len(all))
	}
	for _, l := range all {
		for _, problem := range problems(l) {
			t.Error(problem)
		}
	}
}

// The test above can fail: each of these imports is one that it must refuse.
func TestFloorsRefuse(t *testing.T) {
	for _, c := range []struct {
		p, imports, test, want string
	}{
		{p: "pkg/lvs", imports: module + "pkg/plan", want: "goes down"},
		{p: "pkg/plan", imports: module + "pkg/ipvs", want: "goes down"}, // the same floor
		{p: "pkg/director", imports: module + "pkg/config", want: "that is for"},
		{p: "pkg/director", imports: "github.com/rs/zerolog", want: "that is for"},
		{p: "pkg/daemon", imports: "github.com/moby/ipvs", want: "that is for"},
		{p: "pkg/daemon", imports: "github.com/vishvananda/netlink/nl", want: "that is for"},
		{p: "pkg/daemon", imports: "os/exec", want: "that is for"},
		{p: "pkg/daemon", imports: module + "pkg/ipvs/ipvstest", want: "that is for"},
		{p: "cmd/lvsd", imports: module + "test/lab/kernel", want: "that is for"},
		{p: "checks", imports: module + "pkg/lvs", want: "may import only"},
		{p: "pkg/plan", imports: "os", want: "no I/O"},
		{p: "pkg/new", want: "on no floor"},
		{p: "pkg/new/newtest", want: "on no floor"},
		{p: "pkg/lvs", test: module + "pkg/plan", want: "above it"},
		{p: "pkg/ipvs/ipvstest", imports: module + "pkg/health", want: "goes down"},
		{p: "pkg/lvs", imports: "net/netip"},
		{p: "pkg/plan", imports: module + "pkg/lvs"},
		{p: "checks", imports: module + "pkg/proc"},
		{p: "pkg/ipvs/ipvstest", imports: module + "pkg/ipvs"},
		{p: "pkg/ipvs", test: module + "pkg/ipvs/ipvstest"},
		{p: "pkg/ipvs", test: module + "test/lab"},
		{p: "cmd/lvsd", imports: "github.com/spf13/cobra"},
	} {
		l := listed{ImportPath: module + c.p}
		if c.imports != "" {
			l.Imports = []string{c.imports}
		}
		if c.test != "" {
			l.XTestImports = []string{c.test}
		}
		got := strings.Join(problems(l), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s importing %s%s: %q, want %q", c.p, c.imports, c.test, got, c.want)
		}
	}
}
