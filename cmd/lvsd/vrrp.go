package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/link"
)

const defaultVRRPDir = "/run/lvsd-vrrp"

// vrrpFlags are what the commands about VRRP share.
type vrrpFlags struct{ runDir string }

// dir is the directory of the vrrp process. The file tells it also where it has errors, or is not there.
func (v *vrrpFlags) dir(a *app) string {
	return cmp.Or(v.runDir, scanSetting(a.config, "", "runtime"), defaultVRRPDir)
}

// link is the socket to ask on.
func (v *vrrpFlags) link(a *app) string { return cmp.Or(a.socket, daemon.LinkPath(v.dir(a))) }

// ask asks the vrrp process how it stands.
func (v *vrrpFlags) ask(ctx context.Context, a *app) (*link.State, error) {
	ctx, cancel := context.WithTimeout(ctx, vrrpWait)
	defer cancel()
	client, err := link.Dial(ctx, v.link(a))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	reply, err := client.Do(ctx, link.Message{Ask: true})
	if err == nil && reply.State == nil {
		err = fmt.Errorf("%w: its answer has no state", link.ErrNoAnswer)
	}
	return reply.State, err
}

func (a *app) vrrpCommand() *cobra.Command {
	var asJSON bool
	v := &vrrpFlags{}
	cmd := &cobra.Command{
		Use:   "vrrp",
		Short: "Shows the virtual routers: state, priority and why, peer, timers, what was refused",
		Long: "Shows the virtual routers: state, priority and why, peer, timers, what was refused. It asks the vrrp process\n" +
			"itself. The exit code is 1 if a router is in fault, contested, or something is wrong with it.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{unknownCommand(cmd, args[0])}
			}
			state, err := v.ask(cmd.Context(), a)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(state)
			} else {
				err = renderVRRP(state, paintFor(a.out)).to(a.out)
			}
			if err == nil && slices.ContainsFunc(state.Routers, isTroubled) {
				return errNo
			}
			return err
		},
	}
	cmd.PersistentFlags().StringVar(&v.runDir, "run-dir", "", "`directory` of the vrrp process (default: runtime of the configuration)")
	jsonFlag(cmd, &asJSON)
	cmd.AddCommand(a.vrrpRunCommand(v), a.vrrpReloadCommand(v), a.vrrpHandoverCommand(v), a.vrrpResignCommand(v))
	return cmd
}

// isTroubled tells whether an operator should look.
func isTroubled(r link.RouterState) bool {
	return r.State == "fault" || r.ContestedBy != "" || len(r.Alarms) > 0 || r.VIPError != ""
}
