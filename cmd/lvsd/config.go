package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
)

func (a *app) configCommand() *cobra.Command {
	return group("config", "Looks at the configuration file", a.configCheckCommand())
}

// checked is the answer of config check for programs.
type checked struct {
	Valid    bool     `json:"valid"`
	Files    []string `json:"files,omitempty"`
	Errors   []string `json:"errors,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	Virtual  int      `json:"virtual_services"`
	Checks   int      `json:"checks"`
}

func (a *app) configCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Says every error of the configuration at once; touches nothing",
		Long:  "Says every error of the configuration at once, each as file:line: where: what. Touches nothing. The exit code\nis 1 if there is one.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return a.printInvalid(err, asJSON)
			}
			if asJSON {
				return a.printJSON(checked{
					Valid: true, Files: c.Files, Warnings: c.Warnings, Virtual: len(c.Director.Services), Checks: len(c.Director.Checks),
				})
			}
			for _, w := range c.Warnings {
				fmt.Fprintf(a.err, "warning: %s\n", w)
			}
			var s sheet
			s.line("%s is valid: %s, %s", a.config, plural(len(c.Director.Services), "virtual service"), plural(len(c.Director.Checks), "check"))
			return s.to(a.out)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// printInvalid tells the errors of a configuration, each on its line as a compiler does.
func (a *app) printInvalid(err error, asJSON bool) error {
	var lines []string
	if many, ok := errors.AsType[*config.Errors](err); ok {
		for _, e := range many.List {
			lines = append(lines, e.Error())
		}
	}
	if asJSON {
		if len(lines) == 0 {
			lines = []string{err.Error()}
		}
		if err := a.printJSON(checked{Errors: lines}); err != nil {
			return err
		}
		return errNo
	}
	if len(lines) == 0 {
		return err
	}
	for _, line := range lines {
		fmt.Fprintln(a.err, line)
	}
	return fmt.Errorf("%s in the configuration", plural(len(lines), "error"))
}
