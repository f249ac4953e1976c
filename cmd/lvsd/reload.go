package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
)

func (a *app) reloadCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Has the daemon read its configuration anew, and says what changed",
		Long: "Has the daemon read its configuration anew, and says what changed. A configuration with an error changes\n" +
			"nothing; its errors are printed and the exit code is 1.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := a.client().Reload(cmd.Context())
			if refused, ok := errors.AsType[*control.Refused](err); ok {
				return a.printRefused(refused, asJSON)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(done)
			}
			return a.printReloaded(done)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printReloaded(done *control.Reloaded) error {
	for _, w := range done.Warnings {
		fmt.Fprintf(a.err, "warning: %s\n", w)
	}
	var s sheet
	for _, change := range done.Changes {
		s.line("%s", change)
	}
	if len(done.Changes) == 0 {
		s.line("nothing changed")
	}
	return s.to(a.out)
}

// printRefused tells why a configuration was not taken.
func (a *app) printRefused(refused *control.Refused, asJSON bool) error {
	if asJSON {
		if err := a.printJSON(refused.Problem); err != nil {
			return err
		}
		return errNo
	}
	if len(refused.Errors) == 0 {
		return fmt.Errorf("nothing changed: %w", refused)
	}
	for _, e := range refused.Errors {
		fmt.Fprintln(a.err, e)
	}
	return fmt.Errorf("nothing changed: %s in the configuration", plural(len(refused.Errors), "error"))
}
