package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
)

func (a *app) whyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why SERVER",
		Short: "Says why a real server is in or out: its last tries, the rule that decided, what would change it",
		Long: "Says why a real server is in or out: its last tries, the rule that decided, since when, what would change it.\n" +
			"SERVER is an address or address:port. The exit code is 1 if it is down for a service, or not configured.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := parseServer(args[0])
			if err != nil {
				return err
			}
			status, err := a.client().Why(cmd.Context(), who.Addr())
			if err != nil {
				return err
			}
			onlyPort(status, who)
			if len(status.Services) == 0 && len(status.Checks) == 0 {
				return fmt.Errorf("no service has a real server %s", args[0])
			}
			if asJSON {
				err = a.printJSON(status)
			} else {
				err = renderWhy(status, paintFor(a.out)).to(a.out)
			}
			if err == nil && anyDown(status) {
				return errNo
			}
			return err
		},
	}
	cmd.ValidArgsFunction = a.fromStatus(serverAddresses)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// parseServer reads which real server is meant; port 0 is every port of it.
func parseServer(text string) (netip.AddrPort, error) {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}, usagef("%q is neither an address nor address:port", text)
	}
	return netip.AddrPortFrom(addr, 0), nil
}

// onlyPort leaves out the other ports of a server, and the checks that only they use.
func onlyPort(s *control.Status, who netip.AddrPort) {
	if who.Port() == 0 {
		return
	}
	var services []director.ServiceState
	for _, v := range s.Services {
		v.Servers = slices.DeleteFunc(v.Servers, func(r director.ServerState) bool { return r.Addr != who })
		if len(v.Servers) > 0 {
			services = append(services, v)
		}
	}
	s.Services = services
	s.Checks = slices.DeleteFunc(s.Checks, func(c director.CheckState) bool {
		return !slices.ContainsFunc(services, func(v director.ServiceState) bool {
			return slices.ContainsFunc(v.Servers, func(r director.ServerState) bool { return slices.Contains(r.Checks, c.ID()) })
		})
	})
}

func anyDown(s *control.Status) bool {
	return slices.ContainsFunc(s.Services, func(v director.ServiceState) bool {
		return slices.ContainsFunc(v.Servers, func(r director.ServerState) bool { return r.Verdict == "down" })
	})
}
