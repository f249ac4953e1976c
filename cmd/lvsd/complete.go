package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
)

// completeTime is how long a shell waits for words; a daemon that is slower or does not run gives none.
const completeTime = 500 * time.Millisecond

// explainCompletion says in the help of cobra's commands for shells what their exit code means.
func explainCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	completion.Long = strings.TrimSpace(completion.Long) + "\nThe exit code of each is 1 only if the script cannot be written."
	for _, shell := range completion.Commands() {
		shell.Long = strings.TrimSpace(shell.Long) + "\n\nThe exit code is 1 only if the script cannot be written."
	}
}

// words are what may stand for an argument.
type words func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

// fromStatus offers words of the running daemon for the first argument.
func (a *app) fromStatus(of func(*control.Status) []string) words {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		status, err := a.client().Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(status), cobra.ShellCompDirectiveNoFileComp
	}
}

// serverAddresses lists the real servers, each once.
func serverAddresses(s *control.Status) (addrs []string) {
	seen := map[string]bool{}
	for _, v := range s.Services {
		for _, r := range v.Servers {
			if addr := r.Addr.Addr().String(); !seen[addr] {
				seen[addr] = true
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// checkWords offers the checks of the configuration, then the servers that the check asks.
func (a *app) checkWords(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	c, err := config.Load(a.config)
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(args) == 0 {
		return checkNames(c), cobra.ShellCompDirectiveNoFileComp
	}
	var addrs []string
	for id := range c.Director.Checks {
		if id.Check == args[0] {
			addrs = append(addrs, id.Addr.String())
		}
	}
	return addrs, cobra.ShellCompDirectiveNoFileComp
}
