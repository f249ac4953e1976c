package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/checks"
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/director"
	"github.com/lvsd/lvsd/pkg/health"
)

func (a *app) probeCommand() *cobra.Command {
	var count int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "probe CHECK ADDRESS[:PORT]",
		Short: "Makes one try of a configured check and tells it in full, daemon or no daemon",
		Long: "Makes one try of a check of the configuration file and tells it in full. The daemon is not asked, and does not\n" +
			"hear of it. The exit code is 1 if a try was not good.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 1 {
				return usagef("--count %d: at least one try has to be made", count)
			}
			c, err := config.Load(a.config)
			if err != nil {
				return a.printInvalid(err, asJSON)
			}
			check, spec, err := findCheck(c, args[0], args[1])
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return a.probe(ctx, check, spec, count, asJSON)
		},
	}
	cmd.Flags().IntVar(&count, "count", 1, "how many `tries`, at the check's interval")
	cmd.ValidArgsFunction = a.checkWords
	jsonFlag(cmd, &asJSON)
	return cmd
}

// findCheck says what is asked of whom. A port that was given is asked; else that of the check, else that of the only
// port at which the configuration has the server.
func findCheck(c *config.Config, name, server string) (config.Check, health.Spec, error) {
	check, there := c.Checks[name]
	if !there {
		return check, health.Spec{}, fmt.Errorf("no check %q is configured; configured are: %s", name, strings.Join(checkNames(c), ", "))
	}
	addr, err := netip.ParseAddrPort(server)
	if err != nil {
		host, err := netip.ParseAddr(server)
		if err != nil {
			return check, health.Spec{}, usagef("%q is neither an address nor address:port", server)
		}
		addr = netip.AddrPortFrom(host, 0)
	}
	switch ports := portsOf(c, name, addr.Addr()); {
	case addr.Port() != 0:
		check.Port = 0 // what was typed counts
	case check.Port != 0:
	case len(ports) == 1:
		addr = netip.AddrPortFrom(addr.Addr(), ports[0])
	case len(ports) > 1:
		return check, health.Spec{}, usagef("%v is asked at the ports %v: say which", addr.Addr(), ports)
	}
	_, spec, err := check.For(addr)
	return check, spec, err
}

func checkNames(c *config.Config) []string {
	names := make([]string, 0, len(c.Checks))
	for name := range c.Checks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// portsOf lists the ports at which a check asks an address in the configuration.
func portsOf(c *config.Config, check string, addr netip.Addr) []uint16 {
	var ports []uint16
	for id := range c.Director.Checks {
		if id.Check == check && id.Addr.Addr() == addr {
			ports = append(ports, id.Addr.Port())
		}
	}
	slices.Sort(ports)
	return ports
}

// probed is what tries found, for programs.
type probed struct {
	Check   string         `json:"check"`
	Type    string         `json:"type"`
	Address netip.AddrPort `json:"address"`
	Good    bool           `json:"good"` // all of them
	Tries   []director.Try `json:"tries"`
}

func (a *app) probe(ctx context.Context, check config.Check, spec health.Spec, count int, asJSON bool) error {
	p := paintFor(a.out)
	all := probed{Check: check.Name, Type: check.Type, Address: spec.Target.Addr, Good: true}
	if !asJSON {
		fmt.Fprintf(a.out, "check %s of %v: %s, for at most %v\n", p.in(bold, check.Name), spec.Target.Addr, check.Type, spec.Timeout)
	}
	for i := range count {
		if i > 0 && !pause(ctx, all.Tries[i-1].At.Add(spec.Interval)) {
			break
		}
		r, at, took := tryOnce(ctx, spec)
		if ctx.Err() != nil {
			return errors.New("stopped before the try was decided")
		}
		all.Good = all.Good && r.Outcome == checks.Good
		all.Tries = append(all.Tries, director.Try{
			At: at, Took: took, Outcome: r.Outcome, Reason: r.Reason, Phases: r.Phases, NotAfter: r.NotAfter, Head: string(r.Head),
		})
		if !asJSON {
			if err := renderProbe(r, at, took, p).to(a.out); err != nil {
				return err
			}
		}
	}
	if asJSON {
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	if !all.Good {
		return errNo
	}
	return nil
}

// pause waits until a time, and tells whether that came before the end of ctx.
func pause(ctx context.Context, until time.Time) bool {
	select {
	case <-time.After(time.Until(until)):
		return true
	case <-ctx.Done():
		return false
	}
}

// tryOnce makes a try as the daemon does.
func tryOnce(ctx context.Context, spec health.Spec) (r checks.Result, at time.Time, took time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, spec.Timeout)
	defer cancel()
	at = time.Now()
	r = spec.Checker.Check(ctx, spec.Target)
	return r, at, time.Since(at)
}

// renderProbe tells one try in full.
func renderProbe(r checks.Result, at time.Time, d time.Duration, p paint) *sheet {
	var s sheet
	colour := red
	if r.Outcome == checks.Good {
		colour = green
	}
	s.line("%s  %s: %s", at.Local().Format("15:04:05.000"), p.in(colour, strings.ToUpper(r.Outcome.String())), oneLine(r.Reason))
	phases := ""
	for _, phase := range []struct {
		name string
		at   time.Duration
	}{{"connected", r.Phases.Connect}, {"tls", r.Phases.TLS}, {"first byte", r.Phases.FirstByte}, {"done", r.Phases.Done}} {
		if phase.at > 0 {
			phases = join2(phases, ", ", phase.name+" after "+took(phase.at))
		}
	}
	s.line("    decided after %s%s", took(d), map[bool]string{true: " (" + phases + ")"}[phases != ""])
	if r.Weight != nil {
		s.line("    asks for weight %d", *r.Weight)
	}
	if !r.NotAfter.IsZero() {
		s.line("    certificate ends %s", r.NotAfter.Local().Format("2006-01-02 15:04"))
	}
	writeHead(&s, string(r.Head))
	if r.Truncated {
		s.line("      | ... the reply was longer")
	}
	return &s
}
