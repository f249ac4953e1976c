// Package systemd tells the service manager how the daemon fares, by sd_notify(3), and feeds its watchdog. Started by
// hand, without NOTIFY_SOCKET in the environment, all of it does nothing and succeeds.
package systemd

import (
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready tells that the daemon has started, or that a reload is over. status is the line that systemctl status shows; it
// may be empty.
func Ready(status string) error { return notify(daemon.SdNotifyReady, statusLine(status)) }

// Reloading tells that a reload has begun. A call of Ready must follow, whether the reload succeeded or not.
func Reloading() error {
	// systemd takes the reload as the one that it asked for only with the time in the same datagram.
	return notify(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec())
}

// Stopping tells that the daemon has begun to end.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status sets the line that systemctl status shows.
func Status(text string) error { return notify(statusLine(text)) }

// maxStatus bounds a status line, in bytes.
const maxStatus = 1024

// statusLine makes one line of any text, so that it cannot say anything else to systemd.
func statusLine(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > maxStatus {
		text = text[:maxStatus]
	}
	return "STATUS=" + strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
}

func notify(lines ...string) error {
	var b strings.Builder
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString(l)
			b.WriteByte('\n')
		}
	}
	if b.Len() == 0 {
		return nil
	}
	if _, err := daemon.SdNotify(false, b.String()); err != nil { // false: the variable stays, for the next call
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}
