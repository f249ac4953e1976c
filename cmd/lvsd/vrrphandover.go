package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/link"
)

func (a *app) vrrpHandoverCommand(v *vrrpFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "handover [NAME]",
		Short: "Gives mastership away to the peer, of one virtual router or group, or of all",
		Long: "Gives mastership away to the peer, of one virtual router or group, or of all. Traffic is forwarded until the peer\n" +
			"has taken over. The exit code is 1 if nobody did; this director is still master then.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := link.Handover{By: fmt.Sprintf("uid %d", os.Getuid())}
			if len(args) == 1 {
				ask.Router = args[0]
			}
			if err := v.handover(cmd.Context(), a, ask); err != nil {
				return err
			}
			var s sheet
			s.line("handed over")
			return s.to(a.out)
		},
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		state, err := v.ask(cmd.Context(), a)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return subjects(state), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// handover asks the vrrp process, which acts for root and lvsd's own user; others ask lvsd run, which knows who is in
// [control] admin.
func (v *vrrpFlags) handover(ctx context.Context, a *app, ask link.Handover) error {
	if os.Getuid() != 0 && a.socket == "" {
		if err := a.client().Handover(ctx, ask.Router); !errors.Is(err, control.ErrNoAnswer) {
			return err
		}
	}
	client, err := link.Dial(ctx, v.link(a))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Do(ctx, link.Message{Handover: &ask})
	if refused, ok := errors.AsType[*link.Refused](err); ok {
		return fmt.Errorf("hand over: %w", refused)
	}
	return err
}

// subjects are the groups, and the routers that are in none: what can be handed over by name.
func subjects(s *link.State) []string {
	var names []string
	for _, r := range s.Routers {
		name := r.Name
		if r.Group != "" {
			name = r.Group
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
