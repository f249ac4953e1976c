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
// A datagram that cannot be sent is told to report, once until one gets through again, and the next is tried all the
// same. Without a watchdog Watchdog returns at once; an error is one of the environment.
func Watchdog(ctx context.Context, alive func() error, report func(error)) error {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("watchdog: %w", err)
	}
	if allowed == 0 {
		return nil
	}
	tick := time.NewTicker(max(allowed/2, time.Millisecond))
	defer tick.Stop()
	told := false
	for {
		err := feed(alive)
		if err != nil && !told {
			report(err)
		}
		told = err != nil
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
