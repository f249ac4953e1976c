package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The help of each command says what its exit code means.
func TestHelpSaysTheExitCode(t *testing.T) {
	seen := map[string]bool{}
	var look func(*cobra.Command)
	look = func(cmd *cobra.Command) {
		seen[cmd.CommandPath()] = true
		if help := strings.Join(strings.Fields(strings.ToLower(cmd.Long)), " "); !strings.Contains(help, "exit code") {
			t.Errorf("%s --help says nothing of its exit code", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			look(sub)
		}
	}
	a := &app{out: io.Discard, err: io.Discard}
	look(a.root())
	for _, path := range []string{"lvsd run", "lvsd version", "lvsd config", "lvsd config check", "lvsd completion", "lvsd completion bash"} {
		if !seen[path] {
			t.Errorf("%s was not looked at", path)
		}
	}
}
