package checks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/proc"
)

// Script runs a program of the operator's; exit 0 is good. SAFETY.md says as whom, and package proc how.
type Script struct {
	Command        []string `toml:"command"`          // program by absolute path, and arguments; {address} {port} {check} are filled in
	User           string   `toml:"user"`             // default: the daemon's own user, without capabilities
	WeightFromExit bool     `toml:"weight_from_exit"` // exit 2 to 255 is good too, and asks for weight exit-2

	ready *scriptReady
}

// scriptReady is what Validate made of a Script.
type scriptReady struct{ user *proc.User }

// Validate checks the keys, and looks up the user and the program. One that runs as another user or as root must be such
// that only they and root can change it.
func (s *Script) Validate() []FieldError {
	var errs []FieldError
	if err := proc.CheckArgv(s.Command, "{address}", "{port}", "{check}"); err != nil {
		errs = append(errs, FieldError{"command", err})
	}
	user, err := proc.Runner(s.User)
	if err != nil {
		errs = append(errs, FieldError{"user", err})
	}
	if errs == nil {
		if err := proc.TrustedBy(s.Command[0], user); err != nil {
			errs = append(errs, FieldError{"command", err})
		}
	}
	if errs == nil {
		s.ready = &scriptReady{user}
	}
	return errs
}

// Check runs the program once.
func (s *Script) Check(ctx context.Context, t Target) Result {
	y := begin(ctx)
	if s.ready == nil {
		return y.end(NotAsked, unvalidated)
	}
	address, port := t.Addr.Addr().String(), strconv.Itoa(int(t.Addr.Port()))
	fill := strings.NewReplacer("{address}", address, "{port}", port, "{check}", t.Check)
	argv := make([]string, len(s.Command))
	for i, arg := range s.Command {
		argv[i] = arg
		if i > 0 {
			argv[i] = fill.Replace(arg)
		}
	}
	env := append([]string{"LVSD_CHECK=" + t.Check, "LVSD_ADDRESS=" + address, "LVSD_PORT=" + port}, t.Told.env()...)
	r := proc.Run(ctx, proc.Command{Argv: argv, Env: env, User: s.ready.user})
	y.got(r.Output)
	y.result.Phases.FirstByte = 0 // when it printed is not known
	y.result.Truncated = r.Truncated
	return s.judge(y, r)
}

// judge says what a run is worth.
func (s *Script) judge(y *try, r proc.Result) Result {
	said := ""
	if line := firstLine(r.Output); line != "" {
		said = ": " + line
	}
	switch r.End {
	case proc.Exited:
		if s.WeightFromExit && r.Code >= 2 {
			weight := r.Code - 2
			y.result.Weight = &weight
			return y.good(fmt.Sprintf("exit %d, weight %d%s", r.Code, weight, said))
		}
		if r.Code == 0 {
			return y.good("exit 0" + said)
		}
		return y.bad("exit %d%s", r.Code, said)
	case proc.Signalled:
		if fromOutside(r.Signal) {
			return y.end(NotAsked, "script was "+r.String()+" by someone on this host"+said)
		}
		return y.bad("script was %v%s", r, said)
	case proc.TimedOut:
		return y.end(NoAnswer, fmt.Sprintf("script did not end within %v, killed%s", short(y.limit), said))
	case proc.Cancelled:
		return y.end(NotAsked, "cut short")
	}
	return y.end(NotAsked, r.String())
}

// fromOutside reports whether a program gets the signal from somebody (an operator, a shutdown, the kernel short of
// memory) rather than by a fault of its own. That says nothing of the server.
func fromOutside(s syscall.Signal) bool {
	switch s {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT:
		return true
	}
	return false
}

// firstLine gives the first line of output that has something on it.
func firstLine(b []byte) string {
	for line := range strings.Lines(string(b)) {
		if words := oneLine(line); words != "" {
			return words
		}
	}
	return ""
}
