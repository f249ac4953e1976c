package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// planned is the answer of plan for programs: ipvsadm's arguments, one change each.
type planned struct {
	Now   []string `json:"now"`
	Later []string `json:"at_first_good_verdict"`
}

func (a *app) planCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Says what the configuration file would change in the kernel's table now, as ipvsadm's arguments",
		Long: "Says what the configuration file would change in the kernel's table now, as ipvsadm's arguments. Touches nothing.\n" +
			"What the running daemon knows of the servers counts; a server that has no verdict stays as it is, and a new one\n" +
			"is put in at its first good verdict. Needs CAP_NET_ADMIN. The exit code is 1 if anything would\n" +
			"change, and also if the plan could not be made.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return a.printInvalid(err, asJSON)
			}
			have, err := readTable()
			if err != nil {
				return err
			}
			owned, err := daemon.ReadOwned(c.State)
			if err != nil {
				return fmt.Errorf("read which services are lvsd's: %w", err)
			}
			status, err := a.client().Status(cmd.Context())
			if errors.Is(err, control.ErrNoAnswer) {
				fmt.Fprintf(a.err, "lvsd: %s; servers stay as they are until their first verdict\n", a.words(err))
			} else if err != nil {
				return err
			}
			return a.printPlan(status, c, have, owned, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func readTable() (lvs.Table, error) {
	kernel, err := ipvs.Open()
	if err != nil {
		return nil, err
	}
	table, err := ipvs.Read(kernel)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's table: %w", err)
	}
	return table, nil
}

func (a *app) printPlan(status *control.Status, c *config.Config, have lvs.Table, owned map[lvs.Key]bool, asJSON bool) error {
	now, later := preview(c.Director, have, owned, status)
	answer := planned{Now: lines(now), Later: lines(later)}
	if asJSON {
		if err := a.printJSON(answer); err != nil {
			return err
		}
	} else if err := renderPlan(answer).to(a.out); err != nil {
		return err
	}
	if len(now)+len(later) > 0 {
		return errNo
	}
	return nil
}

func lines(changes []lvs.Change) []string {
	lines := make([]string, 0, len(changes))
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	return lines
}

func renderPlan(p planned) *sheet {
	var s sheet
	for _, line := range p.Now {
		s.line("%s", line)
	}
	for _, line := range p.Later {
		s.line("%s   # at its first good verdict", line)
	}
	if len(p.Now)+len(p.Later) == 0 {
		s.line("# nothing: the kernel's table is as this configuration wants it")
	}
	return &s
}
