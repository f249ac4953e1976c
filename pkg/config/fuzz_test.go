package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// invariants holds a Config to what the rest of the program takes for granted.
func invariants(t *testing.T, c *Config) {
	t.Helper()
	keys := map[lvs.Key]bool{}
	used := map[lvs.CheckID]bool{}
	for _, v := range c.Director.Services {
		if keys[v.Key] {
			t.Errorf("%v is there twice", v.Key)
		}
		keys[v.Key] = true
		if v.Name == "" || v.Quorum < 1 || v.Service.Scheduler == "" {
			t.Errorf("unfinished: %+v", v)
		}
		if most := map[bool]int{false: 32, true: 128}[v.Key.Is6()]; v.Service.Netmask < 1 || v.Service.Netmask > most {
			t.Errorf("%v: netmask %d", v.Key, v.Service.Netmask)
		}
		if (v.Service.Timeout > 0) != (v.Service.Flags&lvs.Persistent != 0) || v.Service.Flags&^lvs.AllFlags != 0 {
			t.Errorf("%v: flags %#x with timeout %v", v.Key, v.Service.Flags, v.Service.Timeout)
		}
		memberInvariants(t, c, v, used)
	}
	pairInvariants(t, c, used)
	for id, spec := range c.Director.Checks {
		if !used[id] {
			t.Errorf("%v is asked for nobody", id)
		}
		if spec.Target.Addr != id.Addr || spec.Target.Check != id.Check || spec.Checker == nil {
			t.Errorf("%v has the target %+v", id, spec.Target)
		}
		if spec.Interval <= 0 || spec.FastInterval <= 0 || spec.DownInterval <= 0 || spec.Timeout <= 0 || spec.Policy.Rise < 1 || spec.Policy.Fall < 1 {
			t.Errorf("%v has the schedule %+v", id, spec)
		}
	}
}

func memberInvariants(t *testing.T, c *Config, v plan.Virtual, used map[lvs.CheckID]bool) {
	t.Helper()
	taken := map[netip.AddrPort]bool{}
	for _, s := range append(append([]plan.Server{}, v.Servers...), v.Sorry...) {
		if taken[s.Addr] {
			t.Errorf("%v: %v is there twice", v.Key, s.Addr)
		}
		taken[s.Addr] = true
		if s.Set.Forward != lvs.NAT && s.Addr.Port() != v.Key.Addr.Port() {
			t.Errorf("%v: %v is forwarded to by %v", v.Key, s.Addr, s.Set.Forward)
		}
		if s.Set.Forward != lvs.Tunnel && (s.Addr.Addr().Is6() != v.Key.Is6() || s.Set.Encap != (lvs.Encap{})) {
			t.Errorf("%v: %v by %v with %+v", v.Key, s.Addr, s.Set.Forward, s.Set.Encap)
		}
		for _, id := range s.Checks {
			used[id] = true
			if _, ok := c.Director.Checks[id]; !ok {
				t.Errorf("%v: %v has no probe %v", v.Key, s.Addr, id)
			}
		}
	}
}

// namesFile is a key with which the fuzzer would read files of its choice.
var namesFile = regexp.MustCompile(`\b(ca|cert|key)["']?\s*=`)

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{etc + "/*.toml", etc + "/examples/*.toml", "testdata/invalid/*.toml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(namesFile.ReplaceAll(text, []byte("x =")))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if namesFile.Match(text) {
			return
		}
		c, err := Parse(Source{"fuzz.toml", text})
		if err == nil {
			invariants(t, c)
			return
		}
		many, ok := errors.AsType[*Errors](err)
		if !ok || len(many.List) == 0 {
			t.Fatalf("not an *Errors: %v", err)
		}
		for _, e := range many.List {
			if e.File != "fuzz.toml" || e.Line < 0 || e.Line > strings.Count(string(text), "\n")+1 || e.Message == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}
