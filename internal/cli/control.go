package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

// stopLimit is how long a clean stop may take.
const stopLimit = 2 * time.Minute

// startLimit is how long a start in the background may take.
const startLimit = 2 * time.Minute

// errServe says that this build has no service in it.
var errServe = errors.New("this program has no service in it")

// controlCommands start, stop and steer the service.
func (a *app) controlCommands() []*cobra.Command {
	var o ServeOptions
	runCmd := &cobra.Command{Use: "run", Short: "Be the service, in the foreground (what the unit starts)", Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error { return a.serve(ctx, o) })}
	runCmd.Flags().BoolVar(&o.PrivateBus, "private-bus", false, "start a bus of its own and be found by it")
	runCmd.Flags().BoolVarP(&o.Verbose, "verbose", "v", false, "log more")

	var detach, verbose bool
	start := &cobra.Command{Use: "start", Short: "Start the service, in the foreground or detached", Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error { return a.start(ctx, detach, verbose) })}
	start.Flags().BoolVarP(&detach, "detach", "d", false, "in the background: through the service manager where there is one")
	start.Flags().BoolVarP(&verbose, "verbose", "v", false, "log more")

	stop := &cobra.Command{Use: "stop", Short: "Stop the service and wait for its end", Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error { _, err := a.stop(ctx); return err })}
	restart := &cobra.Command{Use: "restart", Short: "Stop the service and start it detached", Args: cobra.NoArgs,
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if _, err := a.stop(ctx); err != nil {
				return err
			}
			return a.start(ctx, true, false)
		})}
	reload := &cobra.Command{Use: "reload", Short: "Read the configuration again; a wrong one is refused and the old one stays", Args: cobra.NoArgs,
		RunE: a.with(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := c.Reload(ctx); err != nil {
				return err
			}
			a.say("The configuration was read again.")
			return nil
		})}
	return []*cobra.Command{runCmd, start, stop, restart, reload, a.waitCommand(), a.pauseCommand(), a.resumeCommand(), a.rescanCommand()}
}

// serve is the service itself.
func (a *app) serve(ctx context.Context, o ServeOptions) error {
	if a.env.Serve == nil {
		return errServe
	}
	o.Bus, o.System, o.Version = a.bus, a.system, Version
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
		a.say(fmt.Sprintf("It runs already (%s), for %s.", m.State, m.Home))
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
	if u.exists(ctx) {
		if err := u.systemctl(ctx, "start"); err != nil {
			return fmt.Errorf("start the service: %w", err)
		}
	} else if err := a.spawn(ctx, verbose); err != nil {
		return err
	}
	return a.started(ctx)
}

// needsBus says that there is no bus that the service could be on.
func (a *app) needsBus() bool {
	return a.bus == "" && !a.system && client.SessionAddress(a.env.Getenv) == ""
}

// started waits until the service is past its start, and says how it is.
func (a *app) started(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := a.appear(ctx, nil)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was only asked
	if err := a.sameHome(ctx, c); err != nil {
		return err
	}
	m, err := c.WaitFor(ctx, ready)
	if err != nil {
		return err
	}
	a.say(fmt.Sprintf("Started (%s), for %s.", m.State, m.Home))
	if m.StateReason != "" {
		a.say(m.StateReason)
	}
	return nil
}

// appear waits for the service to come to a bus; ended tells that it never will, and why.
func (a *app) appear(ctx context.Context, ended <-chan error) (*client.Client, error) {
	for {
		c, err := a.find(ctx)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, client.ErrNotRunning) {
			return nil, err
		}
		t := a.clk.NewTimer(100 * time.Millisecond)
		select {
		case <-t.C:
		case why := <-ended:
			t.Stop()
			return nil, why
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("wait for the service: %w", ctx.Err())
		}
	}
}

// stop ends the service; was says that it ran.
func (a *app) stop(ctx context.Context) (was bool, err error) {
	c, err := a.connect(ctx)
	if errors.Is(err, client.ErrNotRunning) {
		if u := a.unit(); u.active(ctx) { // not on the bus yet, or between two tries
			return true, u.systemctl(ctx, "stop")
		}
		a.say("It is not running.")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer c.Close() //nolint:errcheck // it was only asked
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	pid, err := c.Owner(ctx)
	if err != nil {
		return false, err
	}
	if u := a.unit(); u.mainPID(ctx) == fmt.Sprint(pid) {
		if err := u.systemctl(ctx, "stop"); err != nil {
			return true, err
		}
	} else if err := syscall.Kill(int(pid), syscall.SIGTERM); err != nil {
		return true, fmt.Errorf("stop the service (process %d): %w", pid, err)
	}
	if err := c.WaitGone(ctx); err != nil {
		return true, err
	}
	a.say("Stopped.")
	return true, nil
}

// ready says that the service is past its start.
func ready(m status.Manager) bool {
	return m.State != status.StateStarting && m.State != status.StateStopping && m.State != ""
}

// conditions are what `wait --for` knows.
var conditions = map[string]func(status.Manager) bool{
	"ready": ready,
	"clean": func(m status.Manager) bool { return ready(m) && m.DirtyBackends == 0 },
	"healthy": func(m status.Manager) bool {
		return m.State == status.StateRunning && m.UnhealthyBackends == 0
	},
}

func (a *app) waitCommand() *cobra.Command {
	var what string
	var limit time.Duration
	cmd := &cobra.Command{Use: "wait", Short: "Wait until the service is ready, all backends are clean, or healthy", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&what, "for", "ready", "ready, clean or healthy")
	cmd.Flags().DurationVar(&limit, "timeout", 0, "give up after this (30s, 5m); 0: never")
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		good, ok := conditions[what]
		if !ok {
			return usagef("--for %q is not known: ready, clean or healthy", what)
		}
		ctx, cancel := within(ctx, limit)
		defer cancel()
		c, err := a.appear(ctx, nil)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
		if err := a.sameHome(ctx, c); err != nil {
			return err
		}
		_, err = c.WaitFor(ctx, good)
		return err
	})
	return cmd
}

// within bounds a context where a limit is given.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

func (a *app) pauseCommand() *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{Use: "pause [BACKEND]", Short: "Start no new tasks, of one backend or of all", Args: cobra.MaximumNArgs(1)}
	cmd.Flags().DurationVar(&d, "for", 0, "go on by itself after this (30m, 2h); 0: until resume")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		name := first(args)
		if err := c.Pause(ctx, name, d); err != nil {
			return err
		}
		text := "Paused" + of(name)
		if d > 0 {
			text += " for " + d.String()
		}
		a.say(text + ". What runs ends.")
		return nil
	})
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{Use: "resume [BACKEND]", Short: "End a pause", Args: cobra.MaximumNArgs(1),
		RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.Resume(ctx, first(args)); err != nil {
				return err
			}
			a.say("Resumed" + of(first(args)) + ".")
			return nil
		})}
}

func (a *app) rescanCommand() *cobra.Command {
	return &cobra.Command{Use: "rescan", Short: "Look at the whole home again now", Args: cobra.NoArgs,
		RunE: a.with(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := c.Rescan(ctx); err != nil {
				return err
			}
			a.say("Everything is looked at again.")
			return nil
		})}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func of(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}
