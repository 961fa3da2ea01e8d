package cli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

// startLimit is how long a start in the background may take.
const startLimit = 2 * time.Minute

// errServe says that this build has no service in it.
var errServe = errors.New("this program has no service in it")

// controlCommands start, stop and steer the service.
func (a *app) controlCommands() []*cobra.Command {
	var o ServeOptions
	runCmd := &cobra.Command{Use: "run", Short: "Be the service (what the unit starts)", Args: takes(0, 0),
		RunE: a.do(func(ctx context.Context, _ []string) error { return a.serve(ctx, o) })}
	runCmd.Flags().BoolVar(&o.PrivateBus, "private-bus", false, "start a bus of its own and be found by it")
	runCmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "log more")

	var detach, verbose bool
	start := &cobra.Command{Use: "start", Short: "Start the service, here or in the background", Args: takes(0, 0),
		RunE: a.do(func(ctx context.Context, _ []string) error { return a.start(ctx, detach, verbose) })}
	start.Flags().BoolVarP(&detach, "detach", "d", false, "in the background: through the service manager where there is one")
	start.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more, until it ends")

	stop := &cobra.Command{Use: "stop", Short: "Stop the service and wait for its end", Args: takes(0, 0),
		RunE: a.do(func(ctx context.Context, _ []string) error { _, err := a.stop(ctx); return err })}
	restart := &cobra.Command{Use: "restart", Short: "Stop the service and start it in the background", Args: takes(0, 0),
		RunE: a.do(func(ctx context.Context, _ []string) error { return a.restart(ctx) })}
	reload := &cobra.Command{Use: "reload", Short: "Read the configuration again; a wrong one is refused", Args: takes(0, 0),
		RunE: a.with(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := c.Reload(ctx); err != nil {
				return a.refused(err)
			}
			a.say("The configuration was read again.")
			return nil
		})}
	return []*cobra.Command{runCmd, start, stop, restart, reload, a.waitCommand()}
}

// serve is the service itself.
func (a *app) serve(ctx context.Context, o ServeOptions) error {
	if a.env.Serve == nil {
		return errServe
	}
	o.Bus, o.System, o.Version = a.bus, a.system, Version
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM) // a clean stop is not cut short by a second one
	defer stop()
	return a.env.Serve(ctx, o)
}

func (a *app) start(ctx context.Context, detach, verbose bool) error {
	c, err := a.connect(ctx)
	if err == nil {
		defer c.Close() //nolint:errcheck // it was only asked
		m, err := c.Properties(ctx)
		if err != nil {
			return err
		}
		a.say(fmt.Sprintf("It runs already: it is %s, and serves %s.", m.State, visible(m.Home)))
		if !verbose {
			return nil
		}
		if err := c.SetLogLevel(ctx, "debug"); err != nil {
			return err
		}
		a.say("It logs more now, until it ends: " + a.name + " logs -f")
		return nil
	}
	if !errors.Is(err, client.ErrNotRunning) {
		return err
	}
	if !detach {
		a.note("Ctrl-C stops it.")
		return a.serve(ctx, ServeOptions{Verbose: verbose, PrivateBus: a.needsBus()})
	}
	u := a.unit()
	now := u.state(ctx)
	if now.masked() {
		return &fault{code: ExitFailed, err: errors.New("start the service: " + now.lastEnd()), next: u.typed("unmask")}
	}
	byManager := now.loaded()
	if byManager {
		verb := "start"
		if now.again() {
			verb = "restart" // a start waits until the manager's own turn comes
		}
		if err := u.systemctl(ctx, verb); err != nil {
			return a.notStarted(ctx, err)
		}
	} else if err := a.spawn(ctx, verbose); err != nil {
		return err
	}
	return a.started(ctx, "Started", byManager && verbose)
}

// notStarted is a start that the service manager could not do.
func (a *app) notStarted(ctx context.Context, err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	f = &fault{code: ExitFailed, err: fmt.Errorf("start the service: %w", err), next: a.name + " logs"}
	if a.unit().state(ctx).ended(ExitConfig) {
		f.code, f.next = ExitConfig, a.name+" config check"
	}
	return f
}

// restart has the service manager do it where it has the unit, and no other one runs.
func (a *app) restart(ctx context.Context) error {
	u := a.unit()
	pid, err := a.toEnd(ctx)
	if err != nil && !errors.Is(err, client.ErrNotRunning) {
		return err
	}
	if err == nil && u.state(ctx).mainPID() == fmt.Sprint(pid) {
		if err := u.systemctl(ctx, "restart"); err != nil {
			return a.notStarted(ctx, err)
		}
		return a.started(ctx, "Started again", false)
	}
	if _, err := a.stopIt(ctx, pid, err); err != nil {
		return err
	}
	return a.start(ctx, true, false)
}

// refused is a configuration that the service did not take.
func (a *app) refused(err error) error {
	var se *status.Error
	if errors.As(err, &se) && se.Code == status.InvalidArgument {
		return &fault{code: ExitConfig, kind: se.Code, err: err, next: "mend the file, then " + a.name + " reload"}
	}
	return err
}

// needsBus says that there is no bus that the service could be on.
func (a *app) needsBus() bool {
	return a.bus == "" && !a.system && client.SessionAddress(a.env.Getenv) == ""
}

// started waits until the service is past its start, and says how it is.
func (a *app) started(ctx context.Context, word string, verbose bool) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := a.comes(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was only asked
	m, err := c.WaitFor(ctx, ready)
	if err != nil {
		return err
	}
	if verbose { // the unit's command is not ours to change
		if err := c.SetLogLevel(ctx, "debug"); err != nil {
			return err
		}
	}
	a.say(fmt.Sprintf("%s: it is %s, and serves %s.", word, m.State, visible(m.Home)))
	if m.StateReason != "" {
		a.say(visible(m.StateReason))
	}
	return nil
}
