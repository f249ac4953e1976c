package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

const (
	demoAskers   = 2                     // clients of the demo
	demoEvery    = 40 * time.Millisecond // between two requests of one client
	demoPatience = time.Second           // of a client for its answer
)

// asked is one request of a client.
type asked struct {
	began  time.Time
	server string // who answered well
	err    string // why it was not answered well; empty if it was
}

// demoClient asks the VIP all the time, each request over a connection of its own.
type demoClient struct {
	url  string
	http *http.Client

	mu  sync.Mutex
	log []asked
}

// startDemoClient asks until ctx is done; wait returns when the last request has ended.
func startDemoClient(ctx context.Context, url string) (c *demoClient, wait func()) {
	c = &demoClient{url: url, http: &http.Client{
		Timeout: demoPatience, Transport: &http.Transport{DisableKeepAlives: true},
	}}
	var all sync.WaitGroup
	for range demoAskers {
		all.Go(func() {
			for pause(ctx, time.Now().Add(demoEvery)) {
				c.ask()
			}
		})
	}
	return c, all.Wait
}

func (c *demoClient) ask() {
	a := asked{began: time.Now()}
	if resp, err := c.http.Get(c.url); err != nil {
		a.err = illness(err)
	} else {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
		_ = resp.Body.Close()
		a.server = resp.Header.Get("X-Server")
		if resp.StatusCode != http.StatusOK {
			a.err = fmt.Sprintf("status %d", resp.StatusCode)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, a)
}

// illness says in a word or two why a request had no reply.
func illness(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "no answer"
	}
	return "cut off"
}

// tally counts the requests that began within a time, and the ill ones by why.
func (c *demoClient) tally(from, to time.Time) (all int, ill map[string]int, by map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ill, by = map[string]int{}, map[string]int{}
	for _, a := range c.log {
		if a.began.Before(from) || !a.began.Before(to) {
			continue
		}
		all++
		if a.err != "" {
			ill[a.err]++
		} else {
			by[a.server]++
		}
	}
	return all, ill, by
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}
