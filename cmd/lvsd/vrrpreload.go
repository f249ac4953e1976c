package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/link"
)

func (a *app) vrrpReloadCommand(v *vrrpFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Has the vrrp process go on with the configuration and the program that are on disk",
		Long: "Has the vrrp process go on with the configuration and the program that are on disk, in the same process: VIPs\n" +
			"are kept and the peer notices nothing. This is an upgrade's last step, and what systemctl reload lvsd-vrrp does. A\n" +
			"configuration with an error changes nothing; its errors are printed and the exit code is 1.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			done, err := daemon.ReloadVRRP(cmd.Context(), a.config, v.link(a))
			if bad, ok := errors.AsType[*config.Errors](err); ok {
				return a.printInvalid(bad, false)
			}
			if refused, ok := errors.AsType[*link.Refused](err); ok {
				return fmt.Errorf("nothing changed: %w", refused)
			}
			if err != nil {
				return err
			}
			for _, w := range done.Warnings {
				fmt.Fprintf(a.err, "warning: %s\n", w)
			}
			var s sheet
			s.line("process %d goes on with %s by lvsd %s", done.State.PID, plural(len(done.State.Routers), "virtual router"), done.State.Version)
			return s.to(a.out)
		},
	}
}
