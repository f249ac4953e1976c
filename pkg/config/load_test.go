package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const web = `[[service]]
name = "NAME"
vips = ["VIP"]
ports = [80]
checks = ["alive"]
servers = ["10.0.0.1"]
`

func webOf(name, vip string) string {
	return strings.NewReplacer("NAME", name, "VIP", vip).Replace(web)
}

// write makes files in a new directory and gives the path of lvsd.toml there.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "lvsd.toml")
}

func TestInclude(t *testing.T) {
	// The directory's name must not be taken for a pattern.
	main := write(t, map[string]string{
		"a[b]*/lvsd.toml":       "include = [\"conf.d/*.toml\", \"extra.toml\", \"none.d/*\", \"conf.d/b.toml\"]\n[check.alive]\ntype = \"tcp\"\n" + webOf("main", "192.0.2.1"),
		"a[b]*/conf.d/b.toml":   webOf("b", "192.0.2.2"),
		"a[b]*/conf.d/a.toml":   webOf("a", "192.0.2.3") + "[check.more]\ntype = \"tcp\"\n",
		"a[b]*/conf.d/c.toml~":  "not TOML",
		"a[b]*/extra.toml":      "name = \"lvs-x\"\n[audit]\nmax_files = 3\n" + webOf("extra", "192.0.2.4"),
		"conf.d/elsewhere.toml": webOf("elsewhere", "192.0.2.5"),
	})
	dir := filepath.Join(filepath.Dir(main), "a[b]*")
	c, err := Load(filepath.Join(dir, "lvsd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	invariants(t, c)
	var names, files []string
	for _, v := range c.Director.Services {
		names = append(names, v.Name)
	}
	for _, f := range c.Files {
		files = append(files, strings.TrimPrefix(f, dir+"/"))
	}
	if want := []string{"main", "a", "b", "extra"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	if want := []string{"lvsd.toml", "conf.d/a.toml", "conf.d/b.toml", "extra.toml"}; !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	if c.Name != "lvs-x" || c.Director.Name != "lvs-x" || c.Audit.MaxFiles != 3 {
		t.Errorf("%q, %q, %+v", c.Name, c.Director.Name, c.Audit)
	}
}

func TestIncludeErrors(t *testing.T) {
	const include = "include = [\"more.toml\"]\n"
	alive := "[check.alive]\ntype = \"tcp\"\n"
	for name, test := range map[string]struct {
		main, more string
		want       []string
	}{
		"set twice": {
			include + "name = \"a\"\n[audit]\n", "state = \"/x\"\nname = \"b\"\n[audit]\nmax_files = 1\n",
			[]string{"more.toml:2: name: is set twice: also at DIR/lvsd.toml:2", "more.toml:3: audit: is set twice: also at DIR/lvsd.toml:3"},
		},
		"check twice": {
			include + alive, "\n" + alive,
			[]string{"more.toml:2: check.alive: is defined twice: also at DIR/lvsd.toml:2"},
		},
		"service name twice": {
			include + alive + webOf("web", "192.0.2.1"), webOf("web", "192.0.2.2"),
			[]string{"more.toml:2: service[0].name: \"web\" is also the name of the service at DIR/lvsd.toml:4"},
		},
		"virtual service twice": {
			include + alive + webOf("web", "192.0.2.1"), webOf("other", "192.0.2.1"),
			[]string{"more.toml:3: service[0].vips[0]: tcp 192.0.2.1:80 is also in the service at DIR/lvsd.toml:4"},
		},
		"nested": {
			include, "include = [\"*.toml\"]\n",
			[]string{"more.toml:1: include: an included file cannot include others"},
		},
		"runtime elsewhere": {
			include, "runtime = \"/run/x\"\n",
			[]string{"more.toml:1: runtime: belongs into the main file: the commands about VRRP look for it there alone"},
		},
		"itself": {
			"include = [\"*.toml\"]\n", "# nothing\n",
			[]string{"lvsd.toml:1: include[0]: DIR/lvsd.toml includes itself"},
		},
		"absent": {
			"include = [\"moer.toml\"]\n", "",
			[]string{"lvsd.toml:1: include[0]: there is no such file: DIR/moer.toml"},
		},
		"directory": {
			"include = [\"../*\"]\n", "",
			[]string{"lvsd.toml:1: include[0]: read DIR: is a directory"},
		},
		"syntax error, and nothing of what that hides": {
			include + webOf("web", "192.0.2.1"), "\n[[service]\n",
			[]string{"more.toml:3: expected"},
		},
		"half-written": {
			include + webOf("web", "192.0.2.1") + "x", "\n[[service]\n",
			[]string{"lvsd.toml:8: unexpected EOF"},
		},
		"unknown in the included": {
			include, "\n[[service]]\nnmae = \"x\"\n",
			[]string{
				"more.toml:2: service[0].name: is missing", "more.toml:2: service[0].ports: is missing",
				"more.toml:2: service[0].servers: is missing", "more.toml:2: service[0].vips: is missing",
				"more.toml:3: service[0].nmae: unknown key (did you mean \"name\"?)",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, map[string]string{"lvsd.toml": test.main, "more.toml": test.more})
			_, err := Load(path)
			many, ok := errors.AsType[*Errors](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			dir := filepath.Dir(path)
			var got []string
			for _, e := range many.List {
				got = append(got, strings.TrimPrefix(strings.ReplaceAll(e.Error(), dir, "DIR"), "DIR/"))
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

func TestIncludedCannotInclude(t *testing.T) {
	_, err := Parse(Source{"main.toml", nil}, Source{"more.toml", []byte("include = []")})
	if err == nil || err.Error() != "more.toml:1: include: an included file cannot include others" {
		t.Errorf("got %v", err)
	}
}

func TestLoadWhatCannotBeRead(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.toml"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "read configuration: ") {
		t.Errorf("absent: %v", err)
	}
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                 "is a directory",
		pipe:                "not a regular file",
		"/dev/zero":         "not a regular file",
		put("empty", " \n"): "empty; a comment in it says that this is meant",
		put("long", strings.Repeat("\n", mostBytes+1)): "longer than 16 MB",
	} {
		if _, err := Load(path); err == nil || err.Error() != "read configuration: read "+path+": "+want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNameIsTheHosts(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(write(t, map[string]string{"lvsd.toml": "# nothing\n"}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != host || c.Director.Name != host {
		t.Errorf("%q and %q, want %q", c.Name, c.Director.Name, host)
	}
}

// However a good file is cut short, it is either refused or means what it says; it never crashes the reader.
func TestHalfWritten(t *testing.T) {
	text, err := os.ReadFile(etc + "/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for n := range text {
		c, err := Parse(Source{"lvsd.toml", text[:n]})
		if err == nil {
			invariants(t, c)
			continue
		}
		if _, ok := errors.AsType[*Errors](err); !ok {
			t.Fatalf("%d bytes: %v", n, err)
		}
		refused++
	}
	if refused < len(text)/3 {
		t.Errorf("%d of %d refused", refused, len(text))
	}
}

// Routers of several files follow one another, notifiers stand side by side.
func TestIncludePair(t *testing.T) {
	const tell = "type = \"script\"\nsubjects = [\"vrrp:*\"]\ncommand = [\"/bin/true\"]\n"
	other := strings.NewReplacer("VI_1", "VI_2", "66", "67", ".10", ".11").Replace(bareRouter)
	main := write(t, map[string]string{
		"lvsd.toml": "name = \"lvs-a\"\ninclude = [\"b.toml\"]\n[notifier.x]\n" + tell + bareRouter,
		"b.toml":    "[notifier.y]\n" + tell + other,
	})
	c, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Pair.Routers; len(r) != 2 || r[0].Name != "VI_1" || r[1].Name != "VI_2" || c.Pair.Node != "lvs-a" {
		t.Errorf("%+v", c.Pair)
	}
	if n := c.Notifiers; len(n) != 2 || n[0].Name != "x" || n[1].Name != "y" {
		t.Errorf("%+v", n)
	}
}

// The pair's node is this director, by the host's name where the file has none.
func TestPairHasTheHostName(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(write(t, map[string]string{"lvsd.toml": bareRouter}))
	if err != nil || c.Pair.Node != host || c.Name != host {
		t.Errorf("%+v, %v", c, err)
	}
}
