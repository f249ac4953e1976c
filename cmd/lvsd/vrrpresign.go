package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/daemon"
)

func (a *app) vrrpResignCommand(v *vrrpFlags) *cobra.Command {
	var ifMaster bool
	cmd := &cobra.Command{
		Use:   "resign",
		Short: "Speaks for a vrrp process that died as master, so that the peer takes over at once",
		Long: "Speaks for a vrrp process that died as master: tells the peer by priority 0 and takes the VIPs off this host. It\n" +
			"goes by the process' record, and never while a vrrp process runs. With --if-master, which systemd uses, it leaves\n" +
			"alone what a restart will resume, and having nothing to do is no error; otherwise the exit code is 1 then.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names, err := daemon.ResignVRRP(v.dir(a), ifMaster)
			if ifMaster && errors.Is(err, daemon.ErrNothingToResign) {
				return nil
			}
			var s sheet
			for _, name := range names {
				s.line("%s: told the peer to take over", name)
			}
			return errors.Join(err, s.to(a.out))
		},
	}
	cmd.Flags().BoolVar(&ifMaster, "if-master", false, "only for what was master and will not be resumed")
	return cmd
}
