package lab_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/test/lab"
)

// two makes two machines on one bridge: 10.0.0.1 and 10.0.0.2.
func two(t *testing.T) (client, server *lab.Host) {
	t.Helper()
	n := lab.New(t)
	b := n.Bridge("lan")
	client, server = n.Host("client"), n.Host("rs1")
	client.Join(b, netip.MustParsePrefix("10.0.0.1/24"))
	server.Join(b, netip.MustParsePrefix("10.0.0.2/24"))
	return client, server
}

// outcome is how one request ends, in the words of lab.Tally.
func outcome(client *lab.Host, a lab.Asking) string {
	if a.Timeout == 0 {
		a.Timeout = 3 * time.Second
	}
	who, err := client.Get(context.Background(), a)
	if err != nil {
		return lab.Kind(err)
	}
	return who
}

func TestModes(t *testing.T) {
	client, server := two(t)
	web := server.Web(lab.WebConfig{})
	a := lab.Asking{URL: "http://10.0.0.2/alive?x=1", Host: "www.example.com"}
	for _, c := range []struct {
		mode lab.Mode
		want string
	}{
		{lab.OK, "rs1"},
		{lab.Status(503), "status 503"},
		{lab.Status(302), "rs1"},
		{lab.Hang, "timeout"},
		{lab.Drip, "timeout"},
		{lab.Close, "reset"},
		{lab.Reset, "reset"},
		{lab.Refuse, "refused"},
		{lab.Flaky(1), "status 503"},
		{lab.OK, "rs1"},
	} {
		web.Set(c.mode)
		if got := outcome(client, a); got != c.want {
			t.Errorf("mode %+v: %s, want %s", c.mode, got, c.want)
		}
	}
	web.Say("ok, said rs1\n")
	if got := client.Run("curl", "-sS", "http://10.0.0.2/other"); got != "ok, said rs1" {
		t.Errorf("the body is %q", got)
	}
	asked := web.Asked("/alive?x=1", "www.example.com")
	if len(asked) < 6 || len(web.Asked("/alive?x=1", "")) != len(asked) || len(web.Asked("/", "")) != 0 {
		t.Errorf("%d requests remembered of %d", len(asked), len(web.Requests()))
	}
	for _, r := range asked {
		if r.Local.String() != "10.0.0.2:80" || r.Remote.Addr().String() != "10.0.0.1" || time.Since(r.At) > time.Minute {
			t.Errorf("remembered %+v", r)
		}
	}
	if n := len(web.AskedAt(netip.MustParseAddr("10.0.0.9"))); n != 0 {
		t.Errorf("%d requests at an address that nobody asked", n)
	}
}

func TestFlakyAnswersTheOthers(t *testing.T) {
	client, server := two(t)
	server.Web(lab.WebConfig{}).Set(lab.Flaky(3))
	var got []string
	for range 6 {
		got = append(got, outcome(client, lab.Asking{URL: "http://10.0.0.2/"}))
	}
	if want := "rs1 rs1 status 503 rs1 rs1 status 503"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// One host with AnyIP stands for many servers, each with a mode of its own.
func TestManyServersOnOneHost(t *testing.T) {
	client, server := two(t)
	all := netip.MustParsePrefix("10.1.0.0/16")
	server.AnyIP(all)
	client.Route(all, netip.MustParseAddr("10.0.0.2"))
	web := server.Web(lab.WebConfig{})
	web.SetAt(netip.MustParseAddr("10.1.0.2"), lab.Status(503))
	server.Blackhole(netip.MustParseAddr("10.1.0.3"))
	for address, want := range map[string]string{"10.1.0.1": "rs1", "10.1.0.2": "status 503", "10.1.0.3": "timeout", "10.1.255.4": "rs1"} {
		if got := outcome(client, lab.Asking{URL: "http://" + address + "/"}); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	server.Unblackhole(netip.MustParseAddr("10.1.0.3"))
	if got := outcome(client, lab.Asking{URL: "http://10.1.0.3/"}); got != "rs1" {
		t.Errorf("10.1.0.3 after the blackhole: %s", got)
	}
}

func TestTLS(t *testing.T) {
	client, server := two(t)
	ca := lab.NewCA(t)
	good := ca.Certificate(time.Now().Add(time.Hour), "10.0.0.2", "www.example.com")
	old := ca.Certificate(time.Now().Add(-time.Hour), "10.0.0.2")
	server.Web(lab.WebConfig{TLSPorts: []uint16{443}, TLS: good})
	server.Web(lab.WebConfig{TLSPorts: []uint16{444}, TLS: old})
	trust := &tls.Config{RootCAs: ca.Pool()}
	if got := outcome(client, lab.Asking{URL: "https://10.0.0.2/", TLS: trust}); got != "rs1" {
		t.Error(got)
	}
	if got := outcome(client, lab.Asking{URL: "https://10.0.0.2:444/", TLS: trust}); !strings.Contains(got, "expired") {
		t.Error(got)
	}
	file := ca.WriteFile(client.Dir())
	client.Run("curl", "-sS", "--cacert", file, "--resolve", "www.example.com:443:10.0.0.2", "https://www.example.com/")
	if out, err := client.Try("curl", "-sS", "https://10.0.0.2/"); err == nil {
		t.Errorf("curl trusts a CA of the lab by itself: %s", out)
	}
	if _, err := tls.LoadX509KeyPair(ca.WritePair(server.Dir(), good)); err != nil {
		t.Error(err)
	}
}

func TestTCP(t *testing.T) {
	client, server := two(t)
	s := server.TCP(25, "220 rs1\r\n")
	c, err := client.Dial(t.Context(), "tcp", "10.0.0.2:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "QUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("220 rs1\r\nQUIT\r\n"))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "220 rs1\r\nQUIT\r\n" {
		t.Errorf("%q, %v", got, err)
	}
	if n := s.Open(); n != 1 {
		t.Errorf("%d connections open", n)
	}
	s.HangUp()
	if _, err := c.Read(got); !errors.Is(err, io.EOF) {
		t.Errorf("read after the server hung up: %v", err)
	}
	s.Set(lab.Refuse)
	var refused *net.OpError
	if _, err := client.Dial(t.Context(), "tcp", "10.0.0.2:25"); !errors.As(err, &refused) || lab.Kind(err) != "refused" {
		t.Error(err)
	}
}

func TestAskerCounts(t *testing.T) {
	client, server := two(t)
	web := server.Web(lab.WebConfig{})
	a := lab.Asking{URL: "http://10.0.0.2/", Timeout: time.Second}
	asker := client.Ask(a)
	wait := func(what string, f func(lab.Tally) bool) {
		t.Helper()
		lab.Eventually(t, 10*time.Second, func() error {
			if tally := asker.Tally(); !f(tally) {
				return errors.New(what + ": " + tally.String())
			}
			return nil
		})
	}
	wait("no answers", func(y lab.Tally) bool { return y.OK >= 5 })
	web.Set(lab.Refuse)
	wait("no refusals", func(y lab.Tally) bool { return y.Errors["refused"] >= 5 })
	web.Set(lab.OK)
	before := asker.Tally().OK
	wait("no answers again", func(y lab.Tally) bool { return y.OK > before })
	tally := asker.Stop()
	if tally.By["rs1"] != tally.OK || tally.Failed() < 5 || tally.Gap < 60*time.Millisecond {
		t.Error(tally)
	}
	if n := len(web.Asked("/", "")); n < tally.OK {
		t.Errorf("the server remembers %d requests, the client %d answers", n, tally.OK)
	}
}

func TestHeldConnection(t *testing.T) {
	client, server := two(t)
	web := server.Web(lab.WebConfig{})
	held := client.Hold(lab.Asking{URL: "http://10.0.0.2/"})
	for range 3 {
		if who, err := held.Ask(); who != "rs1" || err != nil {
			t.Fatalf("%q, %v", who, err)
		}
	}
	if n := web.Open(); n != 1 {
		t.Errorf("%d connections for one held", n)
	}
	web.HangUp()
	if _, err := held.Ask(); err == nil {
		t.Error("a closed connection still answers")
	}
}
