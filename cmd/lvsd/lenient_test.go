package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What a configuration with errors still says of the socket.
func TestScanSetting(t *testing.T) {
	for text, want := range map[string]string{
		"[control]\nsocket = \"/a\" # here\n":              "/a",
		"typo\n[ control ]\n  socket='/a b'\n":             "/a b",
		"[control]\nsocket = \"/\\u0061\"\n":               "/a",
		"[audit]\nsocket = \"/a\"\n":                       "",
		"[control]\nread = []\n[audit]\nsocket = \"/a\"\n": "",
		"socket = \"/a\"\n":                                "",
		"control.socket = \"/a\"\n":                        "/a",
		"control = { read = [\"x\"], socket = \"/a\" }\n":  "/a",
		"[[service]]\ncontrol.socket = \"/a\"\n":           "",
		"[control]\n# socket = \"/a\"\n":                   "",
		"[control]\nsocket = \"/a\n":                       "",
		"[control]\nsocket = 7\n":                          "",
		"[control]\nnosocket = \"/a\"\nsocket = \"/b\"":    "/b",
	} {
		file := filepath.Join(t.TempDir(), "lvsd.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := scanSetting(file, "control", "socket"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := scanSetting(filepath.Join(t.TempDir(), "none"), "control", "socket"); got != "" {
		t.Errorf("of a file that is not there: %q", got)
	}
	file := filepath.Join(t.TempDir(), "lvsd.toml")
	if err := os.WriteFile(file, []byte("name = 7\nruntime = \"/run/x\"\n[control]\nruntime = \"/y\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := scanSetting(file, "", "runtime"); got != "/run/x" {
		t.Errorf("outside every table: %q", got)
	}
}
