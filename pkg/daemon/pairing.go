package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/link"
	"github.com/lvsd/lvsd/pkg/notify"
)

// pairUp begins to live with the vrrp process, once, if a configuration has routers. Only live and serve call it.
func (d *daemon) pairUp(ctx context.Context, c *config.Config) {
	if c.Pair == nil || d.paired {
		return
	}
	d.paired = true
	d.running.Go(func() { d.partner.follow(ctx) })
}

// preparePair asks the vrrp process whether it could take a configuration. It gives what makes it take it, whose error
// is that it did not after all. One that does not run reads the file when it starts.
func (d *daemon) preparePair(ctx context.Context, next *config.Config) (apply func() error, err error) {
	before := d.config.get().Pair
	if next.Pair == nil && before == nil {
		return func() error { return nil }, nil
	}
	wanted := next.Pair
	if wanted == nil {
		wanted = &link.Config{Node: next.Name}
	}
	asking, cancel := context.WithTimeout(ctx, partnerTimeout)
	defer cancel()
	switch err := d.partner.ask(asking, link.Message{Prepare: wanted}); {
	case err != nil && absent(err):
		d.pairUp(d.aside, next)
		return func() error { return fmt.Errorf("vrrp: %w; it takes the file when it starts", err) }, nil
	case err != nil:
		return nil, err
	}
	return func() error {
		d.pairUp(d.aside, next)
		asking, cancel := context.WithTimeout(ctx, partnerTimeout)
		defer cancel()
		if err := d.partner.ask(asking, link.Message{Apply: wanted}); err != nil {
			return fmt.Errorf("vrrp: the new configuration was prepared and is not in force: %w", err)
		}
		return nil
	}, nil
}

// Handover has mastership given away for a caller of the control socket.
func (d *daemon) Handover(ctx context.Context, router string, by control.Caller) error {
	e := audit.Entry{Event: audit.EventVRRP, Actor: "operator", UID: &by.UID, Router: router, To: "handover asked for"}
	d.recorder.record(e)
	err := d.partner.ask(ctx, link.Message{Handover: &link.Handover{Router: router, By: fmt.Sprintf("uid %d", by.UID)}})
	if err != nil {
		e.To, e.Error = "handover failed", err.Error()
		d.recorder.record(e)
	}
	return err
}

// tellOfConfig has those told who want to know of the configuration.
func (d *daemon) tellOfConfig(state, words string) {
	d.queues.Tell(notify.Event{Subject: notify.Subject{Kind: "config"}, Title: "CONFIG", State: state, Reason: words, At: time.Now()})
}
