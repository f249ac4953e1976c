package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Shows in half a minute what lvsd does, with servers, clients and faults of its own",
		Long: "Shows in half a minute what lvsd does: starts real servers, lvsd and clients, makes one server after another\n" +
			"ill, and shows the table before and after. It runs on a real IPVS in a network namespace of its own if this\n" +
			"user may and the kernel can, else on a table in memory; it says which. The host is not touched. The exit code\n" +
			"is 1 if anything went otherwise than it should.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			net := loopbackNet
			if os.Getenv(demoInside) != "" {
				net = ownNet
				if err := bringUp(net.vip.Addr()); err != nil {
					return err
				}
			} else if code, ok := inOwnNetwork(os.Stdout, os.Stderr); ok {
				if code != exitYes {
					return errNo
				}
				return nil
			}
			return a.demo(ctx, net)
		},
	}
}

// demoNet is where the demo takes place.
type demoNet struct {
	vip     netip.AddrPort
	servers []netip.AddrPort
}

// ownNet has the addresses of RFC 5737, for a network namespace of the demo's own; loopbackNet can be had by anybody.
var (
	ownNet      = demoNet{netip.MustParseAddrPort("198.51.100.10:80"), demoServers("198.51.100.10%d:8080")}
	loopbackNet = demoNet{netip.MustParseAddrPort("127.0.66.10:8066"), demoServers("127.0.66.10%d:8080")}
)

func demoServers(format string) (addrs []netip.AddrPort) {
	for i := 3; i <= 6; i++ {
		addrs = append(addrs, netip.MustParseAddrPort(fmt.Sprintf(format, i)))
	}
	return addrs
}

const demoTOML = `name   = "demo"
resync = "1s"
state  = "%[1]s/state"
[audit]
file   = "%[1]s/audit.log"
[control]
socket = "%[1]s/lvsd.sock"

[check.alive]
type     = "http"
path     = "/"
interval = "500ms"
timeout  = "500ms"

[[service]]
name      = "web"
vips      = ["%[2]s"]
ports     = [%[3]d]
scheduler = "rr"
forward   = "nat"
checks    = ["alive"]
servers   = [%[4]s]
`

// The bound within which a server that is ill has left the table: fall x interval + timeout, and what a busy machine
// may add.
const (
	demoBound = 2*500*time.Millisecond + 500*time.Millisecond
	demoSlack = 1500 * time.Millisecond
)

// demo tells the whole story.
func (a *app) demo(ctx context.Context, net demoNet) error {
	dir, err := os.MkdirTemp("", "lvsd-demo-")
	if err != nil {
		return fmt.Errorf("make directory for the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &story{app: a, net: net, dir: dir, paint: paintFor(a.out), began: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kernel := s.chooseTable(ctx)
	if err := s.startServers(); err != nil {
		return err
	}
	ended, err := s.startDaemon(ctx, kernel)
	if err != nil {
		return err
	}
	err = s.tell(ctx)
	cancel()
	select {
	case daemonErr := <-ended:
		err = errors.Join(err, daemonErr)
	case <-time.After(15 * time.Second):
		err = errors.Join(err, errors.New("lvsd does not end"))
	}
	if err != nil {
		return err
	}
	return s.verdict()
}

// chooseTable takes the kernel's table in a namespace of the demo's own, and else one in memory.
func (s *story) chooseTable(ctx context.Context) func() (ipvs.Kernel, error) {
	why := "this user may not make a network namespace, and the host's table is not for demos"
	if s.net.vip == ownNet.vip {
		kernel, err := ipvs.Open()
		if err == nil {
			_, err = kernel.Services()
			kernel.Close()
		}
		if err == nil {
			s.say("The table is the kernel's own IPVS, in a network namespace made for this demo.")
			return openKernel
		}
		why = err.Error()
	}
	s.say("The table is one in memory, and a relay in this process stands for IPVS: %s.", why)
	s.say("(make demo in the source tree boots a kernel that has IPVS and shows the same on it.)")
	memory := &memoryTable{table: lvs.Table{}}
	s.relay = func() error { return memory.relay(ctx, s.key()) }
	return func() (ipvs.Kernel, error) { return memory, nil }
}

func (s *story) startServers() error {
	for _, addr := range s.net.servers {
		server, err := startDemoServer(addr)
		if err != nil {
			return err
		}
		s.servers = append(s.servers, server)
	}
	if s.relay != nil {
		return s.relay()
	}
	return nil
}

// startDaemon runs lvsd as `lvsd run` does, and gives where its end is told.
func (s *story) startDaemon(ctx context.Context, kernel func() (ipvs.Kernel, error)) (<-chan error, error) {
	var servers []string
	for _, addr := range s.net.servers {
		servers = append(servers, fmt.Sprintf("%q", addr))
	}
	file := filepath.Join(s.dir, "lvsd.toml")
	text := fmt.Sprintf(demoTOML, s.dir, s.net.vip.Addr(), s.net.vip.Port(), strings.Join(servers, ", "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration of the demo: %w", err)
	}
	s.chapter("The configuration")
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		s.say("    %s", line)
	}
	s.control = control.NewClient(filepath.Join(s.dir, "lvsd.sock"))
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.World{
			Kernel:    kernel,
			Neighbors: func(context.Context, []netip.Addr) director.Probed { return director.Probed{Unasked: true} },
			Log:       zerolog.Nop(), // the record tells it
			Version:   versionOf(),
		}, daemon.Options{Config: file}, daemon.Signals{})
	}()
	return ended, s.awaitReady(ctx, ended)
}
