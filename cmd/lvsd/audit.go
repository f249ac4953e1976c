package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/config"
)

func (a *app) auditCommand() *cobra.Command {
	var (
		filter         audit.Filter
		since, until   string
		file           string
		follow, asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Shows the record: what was decided and changed, when, by whom and why",
		Long: "Shows the record: what was decided and changed, when, by whom and why. Files that were rotated and compressed\n" +
			"are read too. The exit code is 1 if there is no record, or part of it cannot be read.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			var err error
			if filter.Since, err = moment("--since", since, now); err != nil {
				return err
			}
			if filter.Until, err = moment("--until", until, now); err != nil {
				return err
			}
			if file == "" {
				if file, err = a.recordFile(); err != nil {
					return err
				}
			}
			return a.printRecord(cmd.Context(), file, filter, follow, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is recorded from now on")
	cmd.Flags().StringVar(&since, "since", "", "only from this `time` on: 1h, 7d, 2026-01-31, or 2026-01-31T15:04:05")
	cmd.Flags().StringVar(&until, "until", "", "only before this `time`")
	cmd.Flags().StringVar(&filter.Service, "service", "", "only of this service, by `name`")
	cmd.Flags().StringVar(&filter.Server, "server", "", "only of this real server, by `address` or address:port")
	cmd.Flags().StringVar(&filter.Router, "router", "", "only of this VRRP instance or group, by `name`, and what was told of it")
	cmd.Flags().StringVar(&filter.Actor, "actor", "", "only what this `one` caused: check, vrrp, operator, reload, drift, start, stop, lvsd")
	cmd.Flags().StringVar(&filter.Event, "event", "", "only this `kind`: check, server, service, table, drift, suspect, vrrp, notify, config, daemon, lost")
	cmd.Flags().StringVar(&file, "file", "", "the record's `file` (default: that of the configuration)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// recordFile gives the file of the record. A configuration with errors still tells it if it can, and that is said.
func (a *app) recordFile() (string, error) {
	c, err := config.Load(a.config)
	if err == nil {
		return c.Audit.File, nil
	}
	if _, ok := errors.AsType[*config.Errors](err); !ok {
		return "", err
	}
	file := cmp.Or(scanSetting(a.config, "audit", "file"), defaultRecord)
	fmt.Fprintf(a.err, "lvsd: %s; this is the record in %s (guessed); --file names another one\n", faultOf(err), file)
	return file, nil
}

// printRecord prints entries as they come. A line that cannot be read is told and passed over.
func (a *app) printRecord(ctx context.Context, file string, filter audit.Filter, follow, asJSON bool) error {
	entries := audit.Read(file, filter)
	if follow {
		ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		entries = audit.Follow(ctx, file, filter)
	}
	unread := false
	for e, err := range entries {
		if errors.Is(err, fs.ErrNotExist) && !follow {
			return fmt.Errorf("there is no record yet: %w", err)
		}
		if err != nil {
			unread = true
			fmt.Fprintf(a.err, "lvsd: %v\n", err)
			continue
		}
		if err := a.printEntry(e, asJSON); err != nil {
			return err
		}
	}
	if unread && !follow {
		return errNo
	}
	return nil
}

func (a *app) printEntry(e audit.Entry, asJSON bool) error {
	line := e.Text(time.Local)
	if asJSON {
		b, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("print entry: %w", err)
		}
		line = string(b)
	}
	if _, err := fmt.Fprintln(a.out, line); err != nil {
		return fmt.Errorf("print entry: %w", err)
	}
	return nil
}

// moment reads a time, or how long ago it was.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%s %q is no time: give 90s, 1h, 7d, 2026-01-31 or 2026-01-31T15:04:05", flag, text)
}
