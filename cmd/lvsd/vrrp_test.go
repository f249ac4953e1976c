package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lvsd/lvsd/pkg/link"
)

// fakeVRRP is a vrrp process of canned words: fakevrrp SOCKET STATE.json [SUCCESSOR]. Only to SUCCESSOR does it hand over.
func fakeVRRP() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var state link.State
	err := readJSON(os.Args[2], &state)
	if err == nil {
		var server *link.Server
		if server, err = link.Listen(os.Args[1]); err == nil {
			err = server.Serve(ctx, link.Backend{
				State: func() *link.State { return &state },
				Handover: func(_ context.Context, h link.Handover) error {
					if len(os.Args) < 4 || h.Router != os.Args[3] {
						return errors.New("nobody took it over within 1.2s: this director is still master")
					}
					return nil
				},
				Reexec: func(*link.Config) (bool, error) { return false, errors.New("interface eth7 cannot be used") },
			})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
