package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func (a *app) statusCommand() *cobra.Command {
	var f statusFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "Shows the kernel's table as ipvsadm -Ln does, with health beside it",
		Long: "Shows the kernel's table as ipvsadm -Ln does, with health beside it. Servers that are not in the table have\n" +
			"\"-\" in its columns. The exit code is 1 if a service that is shown is down, or nothing is\n" +
			"configured under the name or address that is given.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.service = args[0]
			}
			if err := f.parse(); err != nil {
				return err
			}
			whole, err := a.client().Status(cmd.Context())
			if err != nil {
				return err
			}
			shown, err := f.apply(whole)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(shown)
			} else {
				err = renderStatus(whole, shown, f, paintFor(a.out)).to(a.out)
			}
			if err == nil && slices.ContainsFunc(shown.Services, isDown) {
				return errNo
			}
			return err
		},
	}
	cmd.ValidArgsFunction = a.fromStatus(serviceNames)
	cmd.Flags().StringVar(&f.vipText, "vip", "", "only the services of this `address` or address:port")
	cmd.Flags().StringVar(&f.server, "server", "", "only the real server of this `address` or address:port")
	cmd.Flags().BoolVar(&f.down, "down", false, "only what is down")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func isDown(s director.ServiceState) bool { return s.State == "down" }

// statusFilter says what of a status is wanted.
type statusFilter struct {
	service string // name in the configuration
	vipText string
	vip     netip.AddrPort // port 0 is any
	server  string         // address or address:port, as it was typed
	down    bool
}

func (f *statusFilter) parse() error {
	if f.vipText == "" {
		return nil
	}
	if both, err := netip.ParseAddrPort(f.vipText); err == nil {
		f.vip = both
		return nil
	}
	addr, err := netip.ParseAddr(f.vipText)
	if err != nil {
		return usagef("--vip %q is neither an address nor address:port", f.vipText)
	}
	f.vip = netip.AddrPortFrom(addr, 0)
	return nil
}

// apply leaves what is wanted of a status: services, their rows and their checks. A service or a server that is not
// configured is an error.
func (f *statusFilter) apply(s *control.Status) (*control.Status, error) {
	known := func(v director.ServiceState) bool { return v.Name == f.service }
	if f.service != "" && !slices.ContainsFunc(s.Services, known) {
		return nil, fmt.Errorf("no service %q is configured; configured are: %s", f.service, strings.Join(serviceNames(s), ", "))
	}
	if f.server != "" && !f.knowsServer(s) {
		return nil, fmt.Errorf("no real server %q is configured in what is asked for; give its address or address:port", f.server)
	}
	kept := *s
	kept.Services, kept.Table, kept.Checks = nil, nil, nil
	keys, ids := map[lvs.Key]bool{}, map[lvs.CheckID]bool{}
	for _, v := range s.Services {
		v.Servers = slices.DeleteFunc(slices.Clone(v.Servers), func(r director.ServerState) bool { return !f.wantsServer(r) })
		if f.service != "" && !known(v) || !f.wantsKey(v.Virtual) || len(v.Servers) == 0 && f.wantsSomeServers() && !(f.down && isDown(v)) {
			continue
		}
		keys[v.Virtual] = true
		for _, r := range v.Servers {
			for _, id := range r.Checks {
				ids[id] = true
			}
		}
		kept.Services = append(kept.Services, v)
	}
	for _, row := range s.Table {
		others := f.service == "" && !f.wantsSomeServers() && f.wantsKey(row.Key)
		if keys[row.Key] || others {
			kept.Table = append(kept.Table, row)
		}
	}
	for _, c := range s.Checks {
		if ids[c.ID()] {
			kept.Checks = append(kept.Checks, c)
		}
	}
	return &kept, nil
}

func (f *statusFilter) wantsKey(k lvs.Key) bool {
	return !f.vip.IsValid() || k.Addr == f.vip || f.vip.Port() == 0 && k.Addr.Addr() == f.vip.Addr()
}

func (f *statusFilter) wantsSomeServers() bool { return f.down || f.server != "" }

func (f *statusFilter) wantsServer(r director.ServerState) bool {
	return (!f.down || r.Verdict == "down") && (f.server == "" || isServer(r.Addr, f.server))
}

// knowsServer tells whether the server that is wanted is in one of the services that are wanted, up or down.
func (f *statusFilter) knowsServer(s *control.Status) bool {
	return slices.ContainsFunc(s.Services, func(v director.ServiceState) bool {
		return (f.service == "" || v.Name == f.service) && f.wantsKey(v.Virtual) &&
			slices.ContainsFunc(v.Servers, func(r director.ServerState) bool { return isServer(r.Addr, f.server) })
	})
}

// isServer tells whether text is the address of a server, or its address:port: all of it, no part.
func isServer(server netip.AddrPort, text string) bool {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both == server
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr == server.Addr()
}

func serviceNames(s *control.Status) []string {
	var names []string
	for _, v := range s.Services {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	return names
}
