package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/ipvs"
)

func (a *app) runCommand() *cobra.Command {
	var options daemon.Options
	var format, level string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Is the daemon, in the foreground: probes, decides, keeps the table",
		Long: "Is the daemon, in the foreground: probes, decides, keeps the table. SIGHUP reads the configuration anew, SIGUSR1\n" +
			"reopens the record, SIGTERM ends it; the table stays as it is. Tells systemd when the first table is in the kernel.\n" +
			"The exit code is 0 when it was told to end, and 1 if it could not start or had to give up.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.socket != "" {
				return usagef("--socket is for asking the daemon; its own socket is set in [control] of the configuration")
			}
			log, flush, err := newLogger(os.Stderr, format, level)
			if err != nil {
				return err
			}
			defer flush()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			options.Config = a.config
			var neighbors daemon.Neighbors
			neighbors.Look()
			return daemon.Run(ctx, daemon.World{
				Kernel:    openKernel,
				Neighbors: neighbors.Ask,
				Log:       log,
				Version:   versionOf(),
			}, options, daemon.Signals{
				Reload: relay(ctx, syscall.SIGHUP),
				Reopen: relay(ctx, syscall.SIGUSR1),
			})
		},
	}
	cmd.Flags().BoolVar(&options.FlushOnStop, "flush-on-stop", false, "on SIGTERM take out of the kernel what lvsd put there")
	cmd.Flags().StringVar(&format, "log-format", "auto", "console, journal, json, or auto: what fits where the log goes")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func openKernel() (ipvs.Kernel, error) {
	kernel, err := ipvs.Open()
	if err != nil {
		return nil, err
	}
	return kernel, nil
}

// relay tells of a signal until ctx is done. Two that come close together are one.
func relay(ctx context.Context, s os.Signal) <-chan struct{} {
	from, to := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(from, s)
	go func() {
		defer signal.Stop(from)
		for {
			select {
			case <-from:
			case <-ctx.Done():
				return
			}
			select {
			case to <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}
