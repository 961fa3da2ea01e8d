package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/status"
)

// Version of the programs; the build sets it.
var Version = "dev"

// ServeOptions say how the service runs.
type ServeOptions struct {
	// Bus is "session", "system" or an address; empty means the one that fits.
	Bus string
	// PrivateBus has the service start a bus of its own.
	PrivateBus bool
	// Verbose logs at the level debug, whatever the configuration says.
	Verbose bool
	// System is the system-wide service with its own places.
	System bool
	// Version of the program.
	Version string
}

// app is one run of the command line.
type app struct {
	env Env
	// name is how people call the program, without the verb.
	name   string
	clk    clock.Clock
	style  style
	json   bool
	system bool
	bus    string
	// hint is what is to be said beside, with --json: within the error, or alone.
	hint string
	// commands finds the commands that a text names.
	commands *regexp.Regexp
}

// fault is an error as people see it: what, and what to do next.
type fault struct {
	code int
	// kind is the last part of a D-Bus error name, where there is one.
	kind status.Code
	err  error
	next string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// usagef is a wrong use of a command.
func usagef(format string, args ...any) *fault {
	return &fault{code: ExitUsage, err: fmt.Errorf(format, args...)}
}

// run executes one command; name is how the program is called.
func run(args []string, name string, env Env) int {
	return (&app{env: env, name: name}).run(args)
}

func (a *app) run(args []string) int {
	a.clk, a.style = clock.System, styleOf(a.env.Stdout, a.env)
	out := &printer{Writer: a.env.Stdout}
	a.env.Stdout = out
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what the first one can't: a call to a disk that hangs
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if failed := out.failed(); failed != nil { // whatever else there is to say: it was not read
		err = &fault{code: ExitFailed, err: fmt.Errorf("print: %w", failed), next: "see where the output goes"}
	}
	if err == nil {
		a.sayHint()
		return ExitDone
	}
	a.json = a.json || asksJSON(args)
	return a.report(err, cmd.CommandPath())
}

// jsonFlag is --json in each spelling, alone or among other letters.
var jsonFlag = regexp.MustCompile(`^(-[a-z]*j[a-z]*|--json(-output)?(=(1|t|T|true|TRUE|True))?)$`)

// asksJSON says that JSON was asked for by words that were not all understood.
func asksJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.ContainsFunc(args, jsonFlag.MatchString)
}

// report says what failed, why, and what to do, and gives the exit code. Path is the command that was typed.
func (a *app) report(err error, path string) int {
	var f *fault
	if !errors.As(err, &f) {
		f = usagef("%s", strings.TrimSpace(err.Error()))
	}
	if f.code == ExitUsage && f.next == "" {
		f.next = path + " --help"
	}
	if f.err == nil { // an outcome that was printed already
		a.sayHint()
		return f.code
	}
	what, next := a.typed(f.err.Error()), a.typed(f.next)
	if a.json {
		if b, err := status.FailureDocument(what, f.kind, next, a.hint, f.code); err == nil {
			fmt.Fprintf(a.env.Stderr, "%s\n", b)
		}
		return f.code
	}
	a.note(path + ": " + visibleLines(what))
	if next != "" {
		a.note("Next: " + visible(next))
	}
	return f.code
}

// sayHint says what is to be said beside where no error has it.
func (a *app) sayHint() {
	if a.hint == "" {
		return
	}
	if b, err := status.HintDocument(a.hint); err == nil {
		fmt.Fprintf(a.env.Stderr, "%s\n", b)
	}
}

// outcome ends a command with a code and without further words.
func outcome(code int) error {
	if code == ExitDone {
		return nil
	}
	return &fault{code: code}
}

// classify makes any error of a command a fault.
func (a *app) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var se *status.Error
	var ce *config.Error
	var again *status.StartAgainError
	switch {
	case errors.As(err, &again):
		return &fault{code: ExitAgain, err: err}
	case errors.As(err, &se):
		return a.ofService(ctx, se)
	case errors.As(err, &ce):
		return &fault{code: ExitConfig, err: err, next: "mend the file, then " + a.name + " config check"}
	case errors.Is(err, client.ErrNotRunning):
		return a.notRunning(ctx, err)
	case errors.Is(err, client.ErrSilent):
		return &fault{code: ExitTimeout, err: err, next: a.name + " doctor, or end it and start it again: " + a.name + " restart"}
	case errors.Is(err, context.DeadlineExceeded): // a limit of the command's own: what --timeout ends says so itself
		return &fault{code: ExitTimeout, err: ended("timed out", err, context.DeadlineExceeded), next: "look: " + a.name + " status; its log: " + a.name + " logs -n 20"}
	case errors.Is(err, context.Canceled):
		return &fault{code: ExitFailed, err: ended("interrupted", err, context.Canceled)}
	}
	return &fault{code: ExitFailed, err: err}
}

// ended says how something ended, and what it was, without Go's words for that.
func ended(how string, what, why error) error {
	text := strings.TrimSuffix(": "+what.Error(), ": "+why.Error())
	return errors.New(how + text)
}

// ofService gives an error of the service its exit code and next step.
func (a *app) ofService(ctx context.Context, e *status.Error) *fault {
	f := &fault{code: ExitFailed, kind: e.Code, err: e}
	switch e.Code {
	case status.NoSuchBackend:
		f.code, f.next = ExitNotFound, a.name+" backends"
		what, _, _ := strings.Cut(e.Message, "; list them")
		f.err = errors.New(what)
		if near := a.nearestBackend(ctx, e.Message); near != "" {
			f.next = fmt.Sprintf("did you mean %q? All of them: %s backends", near, a.name)
		}
	case status.NoSuchTask:
		f.code, f.next = ExitNotFound, a.name+" tasks"
		what, _, _ := strings.Cut(strings.TrimSuffix(e.Message, ": "+program+" tasks"), "; list them")
		f.err = errors.New(what)
	case status.NoSuchWorker:
		f.code, f.next = ExitNotFound, a.name+" status --detailed"
	case status.InvalidArgument:
		f.code = ExitUsage
	case status.BackendUnavailable:
		f.next = a.name + " health"
	case status.NotReady:
		f.next = a.name + " doctor"
		if strings.Contains(e.Message, "wait --for ready") {
			f.next = a.name + " wait --for ready"
		}
	case status.Paused:
		what, resume, _ := strings.Cut(e.Message, "; resume it first: ipfs-kit-intelligent ")
		f.err = errors.New(what)
		if resume != "" {
			f.next = a.name + " " + resume
		}
	case status.AccessDenied:
		f.next = "ask as the user whose service it is, or as root"
		if a.onSystem() {
			f.next = "as root: sudo " + a.name + " …, or have a rule in /etc/polkit-1/rules.d allow it"
		}
	}
	return f
}

// do wraps the body of a command, so that each error is a fault.
func (a *app) do(body func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.named(cmd.Root())
		if err := a.given(cmd, args); err != nil {
			return err
		}
		return a.classify(cmd.Context(), body(cmd.Context(), args))
	}
}

// given refuses words that are empty: where a variable of a script is not set, pause would else pause all.
func (a *app) given(cmd *cobra.Command, args []string) error {
	if slices.Contains(args, "") {
		return usagef("an argument is empty")
	}
	var empty error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		list, several := f.Value.(pflag.SliceValue)
		if f.Value.String() == "" || several && slices.Contains(list.GetSlice(), "") {
			empty = usagef("--%s is empty", f.Name)
		}
	})
	if empty == nil && a.bus != "" && !slices.Contains(busNames, a.bus) && !strings.Contains(a.bus, ":") {
		return usagef("--bus %q is not known: %s, or an address such as unix:path=/run/user/1000/bus", a.bus, strings.Join(busNames, ", "))
	}
	return empty
}

// busNames are the buses that have a name.
var busNames = []string{"session", "system"}

// with is do for a command that speaks to the running service.
func (a *app) with(body func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return a.do(func(ctx context.Context, args []string) error {
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
		return body(ctx, c, args)
	})
}

// Commands is the whole tree of commands, for the documents that are made from it.
func Commands() *cobra.Command {
	return (&app{name: "ipfs-kit-intelligent", clk: clock.System}).root()
}

// root is the whole tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   strings.Fields(a.name)[0],
		Short: "Watch an IPFS Kit home and keep its backends in step",
		Long: "The service watches ~/.ipfs_kit, finds backends that are dirty, copies and\n" +
			"verifies just what is dirty, and clears the mark. These commands run it and\n" +
			"speak to it.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: a.name},
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.ArbitraryArgs,
	}
	version := root.Flags().Bool("version", false, "print the version, as the command version does")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *version {
			return a.showVersion()
		}
		return a.group(cmd, args)
	}
	root.SetIn(a.env.Stdin) // before the commands are made that print scripts: they keep it
	root.SetOut(a.env.Stdout)
	root.SetErr(a.env.Stderr)
	root.SetFlagErrorFunc(wrongFlag)
	root.SetUsageTemplate(usageTemplate(root.UsageTemplate()))
	p := root.PersistentFlags()
	p.BoolVarP(&a.json, "json", "j", false, "print JSON, errors too")
	p.BoolVar(&a.json, "json-output", false, "the same as --json")
	p.BoolVar(&a.system, "system", false, "the system's service, on the system bus")
	p.StringVar(&a.bus, "bus", "", "the service's bus: session, system or an `address`")
	add := func(group, title string, commands []*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: group, Title: title})
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("see", "To see how it is:", a.readCommands())
	add("ask", "To have something done:", a.actCommands())
	add("run", "To run the service:", a.controlCommands())
	root.AddCommand(a.localCommands()...)
	a.completions(root)
	a.describe(root)
	return root
}

// usageTemplate has flags in 80 columns, without the words about what a switch may be set to.
func usageTemplate(usual string) string {
	cobra.AddTemplateFunc("flagLines", func(f *pflag.FlagSet) string {
		const noise = "[=true|false]"
		return strings.TrimRight(strings.ReplaceAll(f.FlagUsagesWrapped(usualWidth), noise, strings.Repeat(" ", len(noise))), " \n")
	})
	cobra.AddTemplateFunc("exits", exitLines)
	const more = `Use "{{.CommandPath}} [command] --help" for more information about a command.`
	usual = strings.Replace(usual, "{{if .HasHelpSubCommands}}", "{{with exits .}}\n\nExit status:{{.}}{{end}}{{if .HasHelpSubCommands}}", 1)
	return strings.NewReplacer("{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", "{{.CommandPath}} [command]{{end}}", "{{.CommandPath}} COMMAND{{end}}",
		"{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}", "{{flagLines .LocalFlags}}",
		"{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}", "{{flagLines .InheritedFlags}}",
		more, `More of a command: {{.CommandPath}} COMMAND --help`,
		"Additional Commands:", "Others:").Replace(usual)
}
