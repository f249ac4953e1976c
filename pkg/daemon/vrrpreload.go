package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lvsd/lvsd/pkg/link"
)

// How long the vrrp process may take to be executed anew, and how often it is asked meanwhile.
const (
	reexecPatience = 10 * time.Second
	reexecAsk      = 20 * time.Millisecond
)

// VRRPReloaded is what a reload of the vrrp process came to.
type VRRPReloaded struct {
	State    *link.State
	Warnings []string // of the configuration
}

// ReloadVRRP reads the operator's file with this program and has the vrrp process at the end of a link go on with it, by
// the program that is on disk: same process, VIPs kept. An error of the configuration is an *config.Errors, and nothing
// changed; one of a process that does not answer is link.ErrNoAnswer.
func ReloadVRRP(ctx context.Context, file, path string) (*VRRPReloaded, error) {
	c, warnings, err := loadPair(file)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, reexecPatience)
	defer cancel()
	client, err := link.Dial(ctx, path)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	before, err := client.Do(ctx, link.Message{Ask: true})
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(ctx, link.Message{Reexec: c})
	if refused, ok := errors.AsType[*link.Refused](err); ok {
		return nil, refused
	}
	var state *link.State
	if err == nil && !reply.Anew {
		state, err = ask(ctx, path)
	} else { // without an answer it may have gone on already: the connection ended with the program
		state, err = anew(ctx, before.State, path)
	}
	if err != nil {
		return nil, err
	}
	return &VRRPReloaded{State: state, Warnings: warnings}, nil
}

// anew waits until another program answers in the process.
func anew(ctx context.Context, before *link.State, path string) (*link.State, error) {
	tick := time.NewTicker(reexecAsk)
	defer tick.Stop()
	for {
		now, err := ask(ctx, path)
		switch {
		case err == nil && now.PID != before.PID:
			return nil, fmt.Errorf("reload vrrp: process %d ended, and %d was started in its place; its log says why", before.PID, now.PID)
		case err == nil && !now.Image.Equal(before.Image):
			return now, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("reload vrrp: process %d goes on with what it had; its log says why", now.PID)
		}
	}
}

func ask(ctx context.Context, path string) (*link.State, error) {
	client, err := link.Dial(ctx, path)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	reply, err := client.Do(ctx, link.Message{Ask: true})
	return reply.State, err
}
