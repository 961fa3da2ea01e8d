package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/status"
)

// ready says that the service is past its start.
func ready(m status.Manager) bool {
	return m.State != status.StateStarting && m.State != status.StateStopping && m.State != ""
}

// waitWords are the conditions, in the order that people see them.
var waitWords = []string{"ready", "clean", "healthy"}

// standing says in words what a wait waited for in vain.
func standing(m status.Manager) string {
	text := fmt.Sprintf("%s, %d dirty, %d blocked, %d unhealthy", m.State, m.DirtyBackends, m.BlockedBackends, m.UnhealthyBackends)
	if m.StateReason != "" {
		text += " (" + m.StateReason + ")"
	}
	return text
}

// conditions are what `wait --for` knows.
var conditions = map[string]func(status.Manager) bool{
	"ready": ready,
	// Without its home a service knows of no mark.
	"clean": func(m status.Manager) bool { return ready(m) && m.State != status.StateWaiting && m.DirtyBackends == 0 },
	"healthy": func(m status.Manager) bool {
		return m.State == status.StateRunning && m.UnhealthyBackends == 0
	},
}

func (a *app) waitCommand() *cobra.Command {
	var what string
	var limit time.Duration
	cmd := &cobra.Command{Use: "wait", Short: "Wait until it is ready, or all backends are clean, or healthy", Args: takes(0, 0)}
	cmd.Flags().StringVar(&what, "for", "ready", "the `state`: ready, clean or healthy")
	patienceVar(cmd.Flags(), &limit, "timeout", "give up after this `time` (30s, 5m); 0: never")
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		if err := oneOf("--for", what, waitWords); err != nil {
			return err
		}
		ctx, cancel := within(ctx, limit)
		defer cancel()
		for {
			err := a.waitOnce(ctx, what, conditions[what])
			if !errors.Is(err, client.ErrNotRunning) {
				if errors.Is(err, context.DeadlineExceeded) {
					err = a.cameNot(ctx, limit)
				}
				return err
			}
			// It is waited for as it was at the start: it may be on its way back already.
			a.note("the service has stopped; its return is waited for")
		}
	})
	return cmd
}

// cameNot is for a service that was waited for in vain: why it does not run, and what to type.
func (a *app) cameNot(ctx context.Context, limit time.Duration) *fault {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	f := a.notRunning(ctx, fmt.Errorf("timed out: it did not run within %s", config.Spell(limit)))
	f.code = ExitTimeout
	return f
}

// waitOnce waits for the service to come and to be what is wanted.
func (a *app) waitOnce(ctx context.Context, what string, good func(status.Manager) bool) error {
	c, err := a.comes(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was only asked
	m, err := c.WaitFor(ctx, ready)
	if err == nil && what == "clean" {
		err = c.Refresh(ctx) // a mark that was made just before counts
	}
	if err == nil {
		m, err = c.WaitFor(ctx, good)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &fault{code: ExitTimeout, err: fmt.Errorf("timed out: it is not %s: %s", what, standing(m)), next: a.name + " status"}
	}
	return err
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
	cmd := &cobra.Command{Use: "pause [BACKEND]", Short: "Start no new tasks, of a backend or of all", Args: takes(0, 1)}
	patienceVar(cmd.Flags(), &d, "for", "go on by itself after this `time` (30m, 2h, 1d); 0: never")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		name := first(args)
		if err := c.Pause(ctx, name, d); err != nil {
			return err
		}
		text := "Paused" + of(name)
		if d > 0 {
			text += " for " + config.Spell(d)
		}
		a.say(text + ". What runs goes on to its end.")
		return nil
	})
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	return &cobra.Command{Use: "resume [BACKEND]", Short: "End a pause", Args: takes(0, 1),
		RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.Resume(ctx, first(args)); err != nil {
				return err
			}
			a.say("Resumed" + of(first(args)) + ".")
			return nil
		})}
}

func (a *app) rescanCommand() *cobra.Command {
	return &cobra.Command{Use: "rescan", Short: "Look at the whole home again now", Args: takes(0, 0),
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
