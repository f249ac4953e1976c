package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// pair is a service of two servers, looked at often.
const pair = `
[check.alive]
type     = "http"
interval = "200ms"
timeout  = "1s"

[[service]]
name      = "pair"
vips      = ["198.51.100.10"]
ports     = [80]
scheduler = "rr"
checks    = ["alive"]
servers   = ["198.51.100.103", "198.51.100.104"]
`

// newPair is a director before two good servers. Nothing runs yet.
func newPair(t *testing.T) (*director, []*lab.WebServer) {
	t.Helper()
	site := lab.OneBridge(t, lab.Size{Servers: 2})
	d := newDirector(t, site.Directors[0], pair)
	return d, []*lab.WebServer{site.Servers[0].Web(lab.WebConfig{}), site.Servers[1].Web(lab.WebConfig{})}
}

// broken are configurations that cannot be used, and what must be said of each.
var broken = []struct {
	name string
	put  func(path, good string) error
	says string
}{
	{"syntax", text(pair + "[check.alive"), "lvsd.toml:"},
	{"half written", func(path, good string) error { return os.WriteFile(path, []byte(good[:len(good)-40]), 0o600) }, "lvsd.toml:"},
	{"empty", text(""), "empty"},
	{"unknown key", text("nmae = 1\n"), "nmae"},
	{"wrong type", text("name = 7\n"), "name"},
	{"missing", func(string, string) error { return nil }, "no such file"},
	{"directory", func(path, _ string) error { return os.Mkdir(path, 0o700) }, "directory"},
	{"loop of links", func(path, _ string) error { return os.Symlink(path, path) }, "too many levels"},
	{"fifo", func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
	{"zeros without end", func(path, _ string) error { return os.Symlink("/dev/zero", path) }, "not a regular file"},
	{"40 MB of garbage", func(path, _ string) error {
		b := make([]byte, 1<<20)
		_, _ = rand.NewChaCha8([32]byte{}).Read(b)
		return os.WriteFile(path, bytes.Repeat(b, 40), 0o600)
	}, "longer than"},
	{"15 MB of brackets", func(path, _ string) error {
		return os.WriteFile(path, append([]byte("name = "), bytes.Repeat([]byte("["), 15<<20)...), 0o600)
	}, "lvsd.toml"},
}

func text(s string) func(string, string) error {
	return func(path, _ string) error { return os.WriteFile(path, []byte(s), 0o600) }
}

// TestFaultsConfig: with a configuration that cannot be used nothing starts, and what runs goes on as it was.
func TestFaultsConfig(t *testing.T) {
	d, web := newPair(t)
	path := d.file("lvsd.toml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	d.start()
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	w := watchTable(t, d.host, virtual)
	for i, tt := range broken {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := tt.put(path, good); err != nil {
				t.Fatal(err)
			}
			d.refusesReload(t, tt.says)
			if i%3 == 0 { // a start reads its file as a reload does, and takes a second
				d.refusesStart(t, tt.says)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			d.write(good)
		})
	}
	w.still(t)
	if kb := d.resident(); kb > 150<<10 {
		t.Errorf("lvsd holds %d KB after reading garbage", kb)
	}
	web[0].Set(lab.Status(503)) // it still does its work
	d.expect(10*time.Second, "104", virtual)
	d.mustLvsd("reload")
	if s := d.mustStatus(); !s.Config.Refused.IsZero() {
		t.Errorf("status still tells of a refusal: %v", s.Config)
	}
	d.agree()
}

// refusesReload has the running lvsd read its file, and checks that it says why it does not take it.
func (d *director) refusesReload(t *testing.T, says string) {
	t.Helper()
	before := len(d.record())
	out, err := d.host.Try("timeout", "20", lab.Lvsd(t), "reload", "--socket", d.file("lvsd.sock"))
	if err == nil || !strings.Contains(out, says) || !strings.Contains(out, "nothing changed") {
		t.Errorf("reload: %v, want %q and %q in:\n%s", err, says, "nothing changed", clipped(out))
	}
	s, err := d.status()
	if err != nil {
		t.Fatal(err)
	}
	if s.Config.Refused.IsZero() || !strings.Contains(strings.Join(s.Config.Errors, "\n"), says) {
		t.Errorf("status does not tell that the configuration was refused for %q: %+v", says, s.Config)
	}
	lab.Eventually(t, 5*time.Second, func() error {
		for _, e := range d.record()[before:] {
			if e.To == "refused" && strings.Contains(e.Error, says) {
				return nil
			}
		}
		return os.ErrNotExist
	})
}

// refusesStart starts another lvsd with the same file, which must end with 1 and say why in few lines.
func (d *director) refusesStart(t *testing.T, says string) {
	t.Helper()
	out, err := d.host.Try("timeout", "20", lab.Lvsd(t), "run", "-c", d.file("lvsd.toml"))
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(out, says) || strings.Contains(out, "goroutine ") {
		t.Errorf("run: want exit status 1 and %q in:\n%s", says, clipped(out))
	}
	if len(out) > 8<<10 {
		t.Errorf("run said %d bytes: %s", len(out), clipped(out))
	}
}

func clipped(s string) string { return s[:min(len(s), 1000)] }

// resident is lvsd's memory in KB.
func (d *director) resident() int { return d.process("VmRSS") }

// process reads one number of /proc/PID/status.
func (d *director) process(key string) int {
	d.t.Helper()
	n, err := procStatus(d.proc.Pid(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// TestFaultsUnreadable: lvsd as a user of its own, for whom a file's mode counts.
func TestFaultsUnreadable(t *testing.T) {
	d, _ := newPair(t)
	const uid = 64000
	d.own(uid)
	d.launchAs(uid)
	d.ready()
	d.expect(5*time.Second, "103 104", virtual)
	if err := os.Chown(d.file("lvsd.toml"), 0, 0); err != nil {
		t.Fatal(err)
	}
	d.refusesReload(t, "permission denied")
	d.expect(5*time.Second, "103 104", virtual)
	if err := os.Chown(d.file("lvsd.toml"), uid, uid); err != nil {
		t.Fatal(err)
	}
	d.mustLvsd("reload")
	d.stop()
	for _, e := range d.record() {
		if e.Error != "" && e.Event != "config" {
			t.Errorf("the record tells of %q", e.Error)
		}
	}
}

// own gives the host's directory to a user, with the ways to it.
func (d *director) own(uid int) {
	d.t.Helper()
	err := filepath.Walk(d.host.Dir(), func(path string, _ os.FileInfo, err error) error {
		if err == nil {
			err = os.Lchown(path, uid, uid)
		}
		return err
	})
	for dir := filepath.Dir(d.host.Dir()); err == nil && dir != "/"; dir = filepath.Dir(dir) {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil {
			err = os.Chmod(dir, info.Mode()|0o111)
		}
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// launchAs starts lvsd as systemd does: as a user with two capabilities. It waits for nothing.
func (d *director) launchAs(uid int, wrap ...string) {
	d.t.Helper()
	argv := append(asUser(uid, uid, "--inh-caps=-all,+net_admin,+net_raw", "--ambient-caps=-all,+net_admin,+net_raw",
		"--bounding-set=-all,+net_admin,+net_raw"), wrap...)
	argv = append(argv, lab.Lvsd(d.t), "run", "-c", d.file("lvsd.toml"))
	d.proc = d.host.Start(argv[0], argv[1:]...)
}
