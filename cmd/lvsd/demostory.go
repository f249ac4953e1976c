package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/audit"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// story is the demo under way.
type story struct {
	app     *app
	net     demoNet
	dir     string
	paint   paint
	relay   func() error // nil where the kernel's IPVS does it
	servers []*demoServer
	control *control.Client
	client  *demoClient
	began   time.Time
	ill     int       // requests that were ill although no ill server was in the table
	calm    time.Time // since when no request should be ill
	broken  []string  // expectations that did not hold
}

func (s *story) key() lvs.Key { return lvs.Key{Protocol: lvs.TCP, Addr: s.net.vip} }

func (s *story) say(format string, a ...any) {
	fmt.Fprintln(s.app.out, strings.TrimRight(fmt.Sprintf(format, a...), " "))
}

func (s *story) chapter(title string) { s.say("\n%s", s.paint.in(bold, "== "+title)) }

// expect notes what did not hold.
func (s *story) expect(held bool, format string, a ...any) {
	if !held {
		words := fmt.Sprintf(format, a...)
		s.broken = append(s.broken, words)
		s.say("%s", s.paint.in(red, "NOT AS IT SHOULD BE: "+words))
	}
}

// tell is what happens once lvsd is ready.
func (s *story) tell(ctx context.Context) error {
	s.chapter("Four real servers are well and in the table (lvsd status)")
	if err := s.showStatus(ctx); err != nil {
		return err
	}
	clients, endClients := context.WithCancel(ctx)
	client, wait := startDemoClient(clients, "http://"+s.net.vip.String()+"/")
	defer wait()
	defer endClients()
	s.client, s.calm = client, time.Now()
	s.say("\n%d clients ask http://%s/ all the time from now on.", demoAskers, s.net.vip)
	pause(ctx, time.Now().Add(time.Second))

	one, two, three := s.servers[0], s.servers[1], s.servers[2]
	for _, f := range []fault{
		{one, "answers 503 to everything", func() error { one.become("503"); return nil }, func() error { one.become("well"); return nil }},
		{two, "hangs: it accepts and never answers", func() error { two.become("hang"); return nil }, func() error { two.become("well"); return nil }},
		{three, "is killed", three.kill, three.start},
	} {
		if err := s.suffer(ctx, f); err != nil {
			return err
		}
	}
	s.awaitAllAsked(ctx)
	endClients()
	wait()
	return s.close(ctx)
}

// fault is what befalls a server.
type fault struct {
	server *demoServer
	words  string
	begin  func() error
	mend   func() error
}

// suffer lets a fault begin, sees the server leave the table, mends it and sees the server come back.
func (s *story) suffer(ctx context.Context, f fault) error {
	s.chapter(fmt.Sprintf("%v %s", f.server.addr, f.words))
	begun := time.Now()
	s.endCalm(begun)
	if err := f.begin(); err != nil {
		return fmt.Errorf("make %v ill: %w", f.server.addr, err)
	}
	left, err := s.awaitTable(ctx, f.server.addr, false)
	if err != nil {
		return err
	}
	took := left.Sub(begun)
	s.expect(took < demoBound+demoSlack, "it left the table after %v only", took.Round(time.Millisecond))
	s.say("It left the table after %s (bound: fall x interval + timeout = %v).", s.paint.in(bold, took.Round(10*time.Millisecond).String()), demoBound)
	s.calm = left
	if err := s.showStatus(ctx); err != nil {
		return err
	}
	pause(ctx, time.Now().Add(700*time.Millisecond))
	mended := time.Now()
	if err := f.mend(); err != nil {
		return fmt.Errorf("mend %v: %w", f.server.addr, err)
	}
	back, err := s.awaitTable(ctx, f.server.addr, true)
	if err != nil {
		return err
	}
	all, ill, _ := s.client.tally(begun, left)
	s.say("It is well again, and back in the table after %s.", s.paint.in(bold, back.Sub(mended).Round(10*time.Millisecond).String()))
	s.say("Clients, until lvsd had found out: %s, %s.", plural(all, "request"), illWords(ill))
	return ctx.Err()
}

// endCalm counts what was ill while only well servers were in the table.
func (s *story) endCalm(now time.Time) {
	all, ill, _ := s.client.tally(s.calm, now)
	s.ill += sum(ill)
	s.expect(sum(ill) == 0, "%s of %d were ill while every server in the table was well (%s)", plural(sum(ill), "request"), all, illWords(ill))
}

// awaitAllAsked waits until the clients have been answered by every server since the last one came back.
func (s *story) awaitAllAsked(ctx context.Context) {
	since := time.Now()
	for end := since.Add(10 * time.Second); pause(ctx, time.Now().Add(100*time.Millisecond)); {
		_, _, by := s.client.tally(since, time.Now())
		if len(by) == len(s.net.servers) {
			return
		}
		if time.Now().After(end) {
			s.expect(false, "of %d servers in the table only %d are asked", len(s.net.servers), len(by))
			return
		}
	}
}

func illWords(ill map[string]int) string {
	if len(ill) == 0 {
		return "none ill"
	}
	var words []string
	for _, why := range slices.Sorted(maps.Keys(ill)) {
		words = append(words, fmt.Sprintf("%d ill (%s)", ill[why], why))
	}
	return strings.Join(words, ", ")
}

// close is the end: the table is whole again, and the record says why it was not.
func (s *story) close(ctx context.Context) error {
	now := time.Now()
	s.endCalm(now)
	status, err := s.control.Status(ctx)
	if err != nil {
		return err
	}
	s.expect(len(tableServers(status, s.key())) == len(s.net.servers), "the table holds %d servers at the end", len(tableServers(status, s.key())))
	s.chapter("What the record says of it (lvsd audit --event server)")
	for e, err := range audit.Read(filepath.Join(s.dir, "audit.log"), audit.Filter{Event: audit.EventServer}) {
		if err != nil {
			return err
		}
		s.say("%s", e.Text(time.Local))
	}
	all, ill, _ := s.client.tally(s.began, now)
	s.chapter("The end")
	s.say("%s in %v; %s, %d of them while every server in the table was well.", plural(all, "request"),
		now.Sub(s.began).Round(time.Second), illWords(ill), s.ill)
	s.say("%d changes were written to the table.", status.Kernel.Writes)
	return nil
}

// verdict ends the demo.
func (s *story) verdict() error {
	if len(s.broken) > 0 {
		s.say("%s", s.paint.in(red, plural(len(s.broken), "expectation")+" did not hold."))
		return errNo
	}
	s.say("%s", s.paint.in(green, "All went as it should."))
	return nil
}

func (s *story) showStatus(ctx context.Context) error {
	status, err := s.control.Status(ctx)
	if err != nil {
		return err
	}
	return renderStatus(status, status, statusFilter{}, s.paint).to(s.app.out)
}

// awaitReady waits until lvsd is ready with all servers in the table.
func (s *story) awaitReady(ctx context.Context, ended <-chan error) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		select {
		case err := <-ended:
			return errors.Join(errors.New("lvsd ended at its start"), err)
		default:
		}
		status, err := s.control.Status(ctx)
		if err == nil && status.Ready && len(tableServers(status, s.key())) == len(s.net.servers) {
			return nil
		}
		if !pause(ctx, time.Now().Add(20*time.Millisecond)) {
			return ctx.Err()
		}
	}
	return errors.New("lvsd did not get ready in 20s")
}

// awaitTable waits until the table has a server, or does not, and gives the time.
func (s *story) awaitTable(ctx context.Context, addr netip.AddrPort, in bool) (time.Time, error) {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		status, err := s.control.Status(ctx)
		if err != nil {
			return time.Time{}, err
		}
		now := time.Now()
		if status.TableError == "" && slices.Contains(tableServers(status, s.key()), addr) == in {
			return now, nil
		}
		if !pause(ctx, now.Add(20*time.Millisecond)) {
			return now, ctx.Err()
		}
	}
	return time.Time{}, fmt.Errorf("15s later %v is still %s the table", addr, map[bool]string{true: "not in", false: "in"}[in])
}

// tableServers lists the servers that the table has of a service.
func tableServers(s *control.Status, key lvs.Key) (addrs []netip.AddrPort) {
	for _, row := range s.Table {
		if row.Key == key {
			for _, r := range row.Servers {
				addrs = append(addrs, r.Addr)
			}
		}
	}
	return addrs
}
