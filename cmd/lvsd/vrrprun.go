package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/daemon"
)

func (a *app) vrrpRunCommand(v *vrrpFlags) *cobra.Command {
	var force bool
	var format, level string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Is the vrrp process, in the foreground: speaks VRRP and holds the VIPs",
		Long: "Is the vrrp process, in the foreground: speaks VRRP and holds the VIPs. SIGTERM has it give its roles away and\n" +
			"end; SIGHUP reads the configuration anew and goes on with it by the program that is on disk, in the same process and\n" +
			"with its VIPs. A start with a bad configuration goes by the one that was accepted last. The exit code is 0 when it\n" +
			"was told to end, and 1 if it could not start or had to give up.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.socket != "" {
				return usagef("--socket is for asking; the vrrp process listens in its --run-dir")
			}
			log, flush, err := newLogger(os.Stderr, format, level)
			if err != nil {
				return err
			}
			defer flush()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return daemon.RunVRRP(ctx, daemon.VRRPOptions{
				Config: a.config, Dir: v.dir(a), Force: force, Version: versionOf(), Log: log,
			}, relay(ctx, syscall.SIGHUP))
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "advertise faster than every 100 ms even without real time")
	cmd.Flags().StringVar(&format, "log-format", "auto", "console, journal, json, or auto: what fits where the log goes")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}
