package notify

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/proc"
)

// Script tells by running a program; exit 0 is that it took it. Beside its arguments the program gets the environment
// that env lists. At the end of its time its process group is sent SIGTERM, and 2 s later SIGKILL.
type Script struct {
	Command []string `toml:"command"` // program by absolute path, and arguments; placeholders are filled in
	User    string   `toml:"user"`    // default: the daemon's own user, without capabilities
	Verify  []string `toml:"verify"`  // a program that prints the state which the application has

	ready *scriptReady
}

// scriptReady is what Validate made of a Script.
type scriptReady struct{ user *proc.User }

// scriptGrace is how long a program may tidy up at the end of its time.
const scriptGrace = 2 * time.Second

// Placeholders are what an argument may hold; keepalived's arguments are {kind} {name} {state} {priority}.
var placeholders = []string{"{kind}", "{name}", "{state}", "{priority}", "{epoch}", "{subject}", "{reason}"}

var errUnvalidated = errors.New("was not validated")

// Validate checks the keys, and looks up the user and the programs. One that runs as another user or as root must be such
// that only they and root can change it.
func (s *Script) Validate() []FieldError {
	var errs []FieldError
	blame := func(key string, err error) {
		if err != nil {
			errs = append(errs, FieldError{key, err})
		}
	}
	user, err := proc.Runner(s.User)
	blame("user", err)
	check := func(key string, argv []string) {
		err := proc.CheckArgv(argv, placeholders...)
		if err == nil && len(errs) == 0 {
			err = proc.TrustedBy(argv[0], user)
		}
		blame(key, err)
	}
	check("command", s.Command)
	if s.Verify != nil {
		check("verify", s.Verify)
	}
	if errs == nil {
		s.ready = &scriptReady{user}
	}
	return errs
}

// Verifier gives what asks for the application's state; nil if the configuration names no such program.
func (s *Script) Verifier() Verifier {
	if s.Verify == nil {
		return nil
	}
	return roleScript{s}
}

// Tell runs the program once.
func (s *Script) Tell(ctx context.Context, t Told) Outcome {
	began := time.Now()
	r := s.run(ctx, s.Command, t)
	words := r.String()
	if r.End == proc.TimedOut {
		words = fmt.Sprintf("killed after %v", time.Since(began).Round(time.Millisecond))
	}
	if said := firstLine(r.Output); said != "" {
		words = clip(words+": "+said, wordsSize)
	}
	return Outcome{
		OK:    r.End == proc.Exited && r.Code == 0,
		Cut:   r.End == proc.TimedOut || r.End == proc.Cancelled || r.End == proc.Signalled && fromOutside(r),
		Words: words,
	}
}

// fromOutside reports whether a program was ended by somebody rather than by a fault of its own.
func fromOutside(r proc.Result) bool {
	switch r.Signal {
	case unix.SIGKILL, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT:
		return true
	}
	return false
}

// run runs a program and waits until its group is gone.
func (s *Script) run(ctx context.Context, command []string, t Told) proc.Result {
	if s.ready == nil {
		return proc.Result{Err: errUnvalidated}
	}
	r := proc.Run(ctx, proc.Command{Argv: fill(command, t), Env: env(t), User: s.ready.user, Grace: scriptGrace})
	r.Gone(context.WithoutCancel(ctx))
	return r
}

// roleScript asks by running the program of verify.
type roleScript struct{ script *Script }

// Role gives the first line that the program prints.
func (v roleScript) Role(ctx context.Context, t Told) (string, error) {
	r := v.script.run(ctx, v.script.Verify, t)
	said := firstLine(r.Output)
	switch {
	case r.End != proc.Exited || r.Code != 0:
		if said != "" {
			return "", fmt.Errorf("%v: %s", r, said)
		}
		return "", errors.New(r.String())
	case said == "":
		return "", errors.New("printed no state")
	}
	return said, nil
}

// fill puts an event's words in the place of the placeholders; the program itself has none.
func fill(command []string, t Told) []string {
	r := strings.NewReplacer(
		"{kind}", clean(t.Title), "{name}", clean(t.Subject.Name), "{state}", clean(t.State),
		"{priority}", strconv.Itoa(t.Priority), "{epoch}", strconv.FormatUint(t.Epoch, 10),
		"{subject}", clean(t.Subject.String()), "{reason}", clean(t.Reason),
	)
	argv := make([]string, len(command))
	for i, arg := range command {
		argv[i] = arg
		if i > 0 {
			argv[i] = r.Replace(arg)
		}
	}
	return argv
}

// env is what a program is told beside its arguments. The names do not change.
func env(t Told) []string {
	return []string{
		"LVSD_EPOCH=" + strconv.FormatUint(t.Epoch, 10),
		"LVSD_SUBJECT=" + clean(t.Subject.String()),
		"LVSD_KIND=" + clean(t.Title),
		"LVSD_NAME=" + clean(t.Subject.Name),
		"LVSD_STATE=" + clean(t.State),
		"LVSD_PREV_STATE=" + clean(t.Previous),
		"LVSD_REASON=" + clean(t.Reason),
		"LVSD_PRIORITY=" + strconv.Itoa(t.Priority),
		"LVSD_PEER=" + clean(t.Peer),
		"LVSD_TRY=" + strconv.Itoa(t.Try),
		"LVSD_EVENT_MONO_NS=" + strconv.FormatInt(int64(t.Mono), 10),
		"LVSD_EVENT_WALL=" + t.At.Format(time.RFC3339Nano),
		"LVSD_NODE=" + clean(t.Node),
	}
}

// clean bounds a word and takes out what a program's arguments cannot carry or a shell's eyes would stumble over.
func clean(s string) string {
	const most = 1000
	return clip(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s), most)
}
