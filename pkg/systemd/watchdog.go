package systemd

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Watchdog feeds systemd's watchdog until ctx ends, at half the time that the unit allows (WatchdogSec), and only while
// alive gives nil. Where alive gives an error, or does not return, the daemon is not fed: systemd kills and restarts it
// when the time is over. The error shows in systemctl status meanwhile, and the last status that was set does not come
// back by itself when the daemon is alive again.
//
// Without a watchdog it returns at once. An error is one of the environment or of the socket, after which the daemon is
// no longer fed.
func Watchdog(ctx context.Context, alive func() error) error {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	if allowed == 0 {
		return nil
	}
	tick := time.NewTicker(max(allowed/2, time.Millisecond))
	defer tick.Stop()
	for {
		if err := feed(alive); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func feed(alive func() error) error {
	if err := alive(); err != nil {
		return Status("not alive: " + err.Error())
	}
	return notify(daemon.SdNotifyWatchdog)
}
