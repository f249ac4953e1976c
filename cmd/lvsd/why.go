package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

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
			"SERVER is an address, address:port, or a part of one that only one server has. The exit code is 1 if it is\n" +
			"down for a service.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			who, err := a.findServer(cmd.Context(), args[0])
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

// findServer says which real server is meant; port 0 is every port of it.
func (a *app) findServer(ctx context.Context, text string) (netip.AddrPort, error) {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, 0), nil
	}
	if text == "" {
		return netip.AddrPort{}, usagef("say which server")
	}
	status, err := a.client().Status(ctx)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var found []netip.Addr
	for _, v := range status.Services {
		for _, r := range v.Servers {
			if strings.Contains(r.Addr.Addr().String(), text) && !slices.Contains(found, r.Addr.Addr()) {
				found = append(found, r.Addr.Addr())
			}
		}
	}
	switch {
	case len(found) == 0:
		return netip.AddrPort{}, fmt.Errorf("no real server has %q in its address", text)
	case len(found) > 1:
		return netip.AddrPort{}, fmt.Errorf("%q is of %d servers: %s; say which", text, len(found), listed(found, 8))
	}
	return netip.AddrPortFrom(found[0], 0), nil
}

func listed(addrs []netip.Addr, most int) string {
	slices.SortFunc(addrs, netip.Addr.Compare)
	var words []string
	for _, a := range addrs[:min(len(addrs), most)] {
		words = append(words, a.String())
	}
	if len(addrs) > most {
		words = append(words, fmt.Sprintf("and %d more", len(addrs)-most))
	}
	return strings.Join(words, ", ")
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
