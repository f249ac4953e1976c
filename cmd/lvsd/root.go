package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/link"
)

// What the exit code says. Each command's help says what "no" is for it.
const (
	exitYes     = 0
	exitNo      = 1 // invalid, down, differs, or it could not be done
	exitUsage   = 2
	exitNoReply = 3 // the daemon cannot be reached, or may not be asked
)

const (
	defaultConfig = "/etc/lvsd/lvsd.toml"
	defaultSocket = "/run/lvsd/lvsd.sock"
	defaultRecord = "/var/log/lvsd/audit.log"
)

// errNo is the end of a command whose answer is no and has been given.
var errNo = errors.New("no")

// usageError is a command line that says nothing that can be done.
type usageError struct{ error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// app is what all commands share.
type app struct {
	config  string
	socket  string
	out     io.Writer
	err     io.Writer
	started bool   // the command line was understood
	asked   string // socket that was asked
	guessed error  // why the configuration did not tell that socket
}

// execute runs one command line and gives its exit code. An error is told once, here.
func execute(args []string, out, errOut io.Writer) int {
	a := &app{out: out, err: errOut}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.Execute()
	if err == nil {
		return exitYes
	}
	if errors.Is(err, errNo) {
		return exitNo
	}
	fmt.Fprintf(errOut, "lvsd: %s\n", a.words(err))
	_, usage := errors.AsType[usageError](err)
	switch {
	case usage, !a.started:
		return exitUsage
	case errors.Is(err, control.ErrNoAnswer), errors.Is(err, link.ErrNoAnswer):
		return exitNoReply
	default:
		return exitNo
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lvsd",
		Short: "Keeps an IPVS director's table as the configuration says and the real servers' health allows",
		Long: "lvsd probes real servers, keeps the kernel's IPVS table as its configuration says and the probes allow,\n" +
			"and records each decision.\n\n" +
			"Exit codes: 0 yes, 1 no (invalid, down, differs, or not done), 2 wrong usage, 3 the daemon cannot be reached.",
		Args:             cobra.ArbitraryArgs,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { a.started = true },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				cmd.SetOut(a.err)
				_ = cmd.Help()
				return usagef("say what to do")
			}
			return usageError{unknownCommand(cmd, args[0])}
		},
	}
	root.PersistentFlags().StringVarP(&a.config, "config", "c", defaultConfig, "configuration `file`")
	root.PersistentFlags().StringVar(&a.socket, "socket", "", "control socket of the daemon, by `path` (default: that of the configuration, or "+defaultSocket+")")
	root.AddCommand(
		a.runCommand(), a.configCommand(), a.planCommand(), a.reloadCommand(), a.statusCommand(), a.whyCommand(), a.probeCommand(), a.auditCommand(),
		a.vrrpCommand(), a.demoCommand(), a.versionCommand(),
	)
	explainCompletion(root)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		return fmt.Errorf("no command %q; did you mean %s?", name, strings.Join(like, " or "))
	}
	return fmt.Errorf("no command %q; lvsd --help lists them", name)
}

// group makes a command that only holds others.
func group(use, short string, of ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs}
	cmd.Long = short + ". Alone it does nothing: the exit code is 2 unless one of its commands is given,\nand then what that one's --help says."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("say what to do: %s --help lists it", cmd.CommandPath())
		}
		return usageError{unknownCommand(cmd, args[0])}
	}
	cmd.AddCommand(of...)
	return cmd
}

// client asks the daemon on the socket that was named, or that of the configuration, or the usual one. A configuration
// with errors still tells the socket if it can: it may be the daemon's word on just these errors that is wanted.
func (a *app) client() *control.Client {
	a.asked, a.guessed = a.socket, nil
	if a.asked == "" {
		c, err := config.Load(a.config)
		if err == nil {
			a.asked = c.Control.Socket
		} else {
			a.asked, a.guessed = cmp.Or(scanSetting(a.config, "control", "socket"), defaultSocket), err
		}
	}
	return control.NewClient(a.asked)
}

// words tells an error. That nobody listens on a socket that was guessed does not say that the daemon does not run; and
// a daemon that refuses a caller did answer.
func (a *app) words(err error) string {
	text := err.Error()
	if !errors.Is(err, control.ErrNoAnswer) {
		return text
	}
	if nobody := "nobody listens on " + a.asked; a.guessed != nil && strings.Contains(text, nobody) {
		return fmt.Sprintf("%v: %s (guessed, because %s); use --socket", control.ErrNoAnswer, nobody, faultOf(a.guessed))
	}
	refused, answered := strings.CutPrefix(text, fmt.Sprintf("%v on %s: ", control.ErrNoAnswer, a.asked))
	if answered && strings.HasPrefix(refused, "uid ") { // the words of pkg/control for one who is in no list
		return refused
	}
	return text
}
