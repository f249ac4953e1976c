package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/plan"
)

const etc = "../../etc"

func TestShippedFilesAreValid(t *testing.T) {
	files, err := filepath.Glob(etc + "/examples/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range append(files, etc+"/lvsd.toml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range c.Warnings {
				if !ofHost.MatchString(w) {
					t.Errorf("warning: %s", w)
				}
			}
			invariants(t, c)
		})
	}
}

// ofHost is a warning that this host does not have a group or an interface of the manual's.
var ofHost = regexp.MustCompile(`: control\.(read|admin)\[\d\]: "@(lvsd|ops)" is not in /etc/group|: this host has no interface eth0 now`)

// hostKey is a line of the manual that needs something of the host.
var hostKey = regexp.MustCompile(`(?m)^#([a-z_]+ *= )`)

// numbered is what differs between places of one kind in a path.
var numbered = regexp.MustCompile(`\[\d+\]|(^(?:check|notifier)\.)[^.]+`)

func TestManualHasEveryKey(t *testing.T) {
	text, err := os.ReadFile(etc + "/lvsd.toml")
	if err != nil {
		t.Fatal(err)
	}
	r := newReport()
	root := decode(&document{name: "lvsd.toml", report: r}, hostKey.ReplaceAll(text, []byte("$1")))
	if root == nil {
		t.Fatal(r.problems)
	}
	merged := merge([]*value{root})
	assemble(merged)
	root.asked = merged.asked
	for _, p := range r.problems {
		if !ofHost.MatchString(p.Error.Error()) && !regexp.MustCompile(`^check\.\w+\.(ca|cert|key|user)$|^notifier\.\w+\.(user|verify)$`).MatchString(p.Path) {
			t.Errorf("%v", p.Error)
		}
	}
	asked, there := map[string]bool{}, map[string]bool{}
	gather(root, asked, there)
	// What is known only to be refused need not be explained, but for the table of a section, which is there by its keys.
	for _, key := range []string{"http", "check.*.trip_interval"} {
		if there[key] {
			t.Errorf("%s is in the manual and is refused", key)
		}
		delete(asked, key)
	}
	for key := range asked {
		if !there[key] && !strings.HasPrefix(key, "service[].sorry[].") && key != "vrrp[].track[].interface" {
			t.Errorf("%s is read and not in the manual", key)
		}
	}
	for _, kind := range checks.Kinds() {
		c, _ := checks.New(kind)
		for _, key := range checks.Keys(c) {
			if !there["check.*."+key] {
				t.Errorf("key %s of check type %s is not in the manual", key, kind)
			}
		}
		if !regexp.MustCompile(`(?m)^type += "` + kind + `"`).Match(text) {
			t.Errorf("check type %s has no example", kind)
		}
	}
}

// gather collects the keys that were asked for and those that are there, without names and numbers.
func gather(v *value, asked, there map[string]bool) {
	kind := func(path string) string {
		return numbered.ReplaceAllStringFunc(path, func(s string) string {
			if s[0] == '[' {
				return "[]"
			}
			kind, _, _ := strings.Cut(s, ".")
			return kind + ".*"
		})
	}
	for _, key := range v.asked {
		asked[kind(v.pathOf(key))] = true
	}
	for key, inner := range v.table {
		there[kind(v.pathOf(key))] = true
		gather(inner, asked, there)
	}
	for _, inner := range v.list {
		gather(inner, asked, there)
	}
}

// What the manual calls a default must be one: with all such keys taken out, what comes of the file is the same.
func TestManualTellsTheDefaults(t *testing.T) {
	text, err := os.ReadFile(etc + "/lvsd.toml")
	if err != nil {
		t.Fatal(err)
	}
	// One line each, with the default behind the last "default".
	line := regexp.MustCompile(`^([a-z_]+) += ("[^"]*"|true|false|\d+) +# .*default ("[^"]*"|true|false|\d+)(: off|: no bound)?$`)
	bare, found := []string{}, 0
	for l := range strings.Lines(string(text)) {
		m := line.FindStringSubmatch(strings.TrimSuffix(l, "\n"))
		if m == nil || m[2] != m[3] {
			bare = append(bare, l)
			continue
		}
		found++
		bare = append(bare, "\n")
	}
	if found < 20 {
		t.Fatalf("only %d lines of the manual tell a default", found)
	}
	full, err := Parse(Source{"lvsd.toml", text})
	if err != nil {
		t.Fatal(err)
	}
	short, err := Parse(Source{"lvsd.toml", []byte(strings.Join(bare, ""))})
	if err != nil {
		t.Fatal(err)
	}
	for name := range full.Checks {
		if !reflect.DeepEqual(full.Checks[name], short.Checks[name]) {
			t.Errorf("check %s: %+v without its defaults, %+v with them", name, short.Checks[name], full.Checks[name])
		}
	}
	full.Checks, short.Checks, full.Director.Checks, short.Director.Checks = nil, nil, nil, nil
	if !reflect.DeepEqual(full, short) {
		t.Error(cmp.Diff(short, full, cmp.Exporter(func(reflect.Type) bool { return true })))
	}
}

func TestShellLoopIsShort(t *testing.T) {
	text, err := os.ReadFile(etc + "/examples/shell-loop.toml")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > 25 {
		t.Errorf("%d lines, want 25 at most", n)
	}
	c, err := Load(etc + "/examples/shell-loop.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Director.Services) != 4 || len(c.Director.Checks) != 4 {
		t.Errorf("%d virtual services and %d probes, want 4 and 4", len(c.Director.Services), len(c.Director.Checks))
	}
	for _, v := range c.Director.Services {
		if len(v.Servers) != 4 || slices.ContainsFunc(v.Servers, func(s plan.Server) bool { return len(s.Checks) != 1 }) {
			t.Errorf("%v has %d servers", v.Key, len(v.Servers))
		}
	}
}
