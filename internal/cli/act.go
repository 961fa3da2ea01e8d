package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

// actCommands ask for work.
func (a *app) actCommands() []*cobra.Command {
	return []*cobra.Command{a.syncCommand(),
		a.workCommand("check [BACKEND…]", "Check the health of backends now", (*client.Client).Check),
		a.workCommand("backup [BACKEND…]", "Back up buckets and metadata now", (*client.Client).Backup),
		a.workCommand("verify [BACKEND…]", "Read back what is stored, backups included", (*client.Client).Verify),
		a.restoreCommand(), a.dismissCommand()}
}

// waiting are the flags of commands that can wait for what they asked for.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.wait, "wait", "w", false, "wait for the end and show progress")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 0, "with --wait: give up after this (30s, 5m); 0: never")
}

func (a *app) syncCommand() *cobra.Command {
	var names []string
	var reconcile, dry bool
	var w waiting
	cmd := &cobra.Command{Use: "sync", Short: "Copy what is missing now: of dirty backends, or of those that are named", Args: cobra.NoArgs}
	cmd.Flags().StringArrayVar(&names, "backend", nil, "only this backend; may be repeated")
	cmd.Flags().BoolVar(&reconcile, "reconcile", false, "compare all that the backend holds")
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "only say what would be done")
	w.flags(cmd)
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, _ []string) error {
		if dry {
			doc, err := c.PlanSync(ctx, names, reconcile)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(doc)
			}
			return a.showPlan(doc)
		}
		ids, err := c.Sync(ctx, names, reconcile)
		if err != nil {
			return err
		}
		return a.follow(ctx, c, ids, w)
	})
	return cmd
}

func (a *app) showPlan(doc []byte) error {
	var v planView
	if err := decode(doc, &v); err != nil {
		return err
	}
	for _, b := range v.Backends {
		fmt.Fprintf(a.env.Stdout, "%s (%s):\n", b.Backend, b.Mode)
		for _, x := range b.Actions {
			fmt.Fprintf(a.env.Stdout, "  %s %s (%s) %s\n", x.Action, x.CID, size(x.Bytes), x.Reason)
		}
		if b.Error != nil {
			fmt.Fprintf(a.env.Stdout, "  %s %s\n", a.style.bad("can't be planned:"), *b.Error)
		}
		if b.Blocked != nil {
			fmt.Fprintf(a.env.Stdout, "  %s %s\n", a.style.warn("would be blocked:"), *b.Blocked)
		}
		if len(b.Actions) == 0 && b.Error == nil {
			fmt.Fprintln(a.env.Stdout, "  nothing")
		}
	}
	fmt.Fprintf(a.env.Stdout, "%d steps, %s to copy; nothing was done.\n", v.Actions, size(v.Bytes))
	return nil
}

func (a *app) workCommand(use, short string, ask func(*client.Client, context.Context, []string) ([]uint64, error)) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{Use: use, Short: short}
	w.flags(cmd)
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		ids, err := ask(c, ctx, args)
		if err != nil {
			return err
		}
		return a.follow(ctx, c, ids, w)
	})
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	var o client.RestoreOptions
	var w waiting
	cmd := &cobra.Command{Use: "restore BACKEND buckets|metadata", Short: "Write a backup back, into the home or another folder", Args: cobra.ExactArgs(2)}
	cmd.Flags().StringVar(&o.Into, "into", "", "a `folder` that exists, instead of the home")
	cmd.Flags().StringVar(&o.Backup, "backup", "", "the manifest's `name`, instead of the newest backup")
	cmd.Flags().BoolVar(&o.Overwrite, "overwrite", false, "replace what is there; it is kept beside")
	w.flags(cmd)
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		id, err := c.Restore(ctx, args[0], args[1], o)
		if err != nil {
			return err
		}
		return a.follow(ctx, c, []uint64{id}, w)
	})
	return cmd
}

// follow says what was queued or, with --wait, how it ended.
func (a *app) follow(ctx context.Context, c *client.Client, ids []uint64, w waiting) error {
	if !w.wait {
		if a.json {
			doc, err := status.OutcomesDocument(tasksOf(ctx, c, ids))
			if err != nil {
				return err
			}
			return a.printJSON(doc)
		}
		if len(ids) == 0 {
			a.say("There is nothing to do.")
			return nil
		}
		a.say(fmt.Sprintf("Queued: %s %s.", plural(uint64(len(ids)), "task", "tasks"), numbers(ids)))
		return nil
	}
	ctx, cancel := within(ctx, w.timeout)
	defer cancel()
	tasks, err := c.WaitTasks(ctx, ids, a.showProgress)
	if err != nil {
		return err
	}
	if a.json {
		doc, err := status.OutcomesDocument(tasks)
		if err == nil {
			err = a.printJSON(doc)
		}
		if err != nil {
			return err
		}
	} else {
		a.showOutcomes(tasks)
	}
	return outcome(exitOf(tasks))
}

func tasksOf(ctx context.Context, c *client.Client, ids []uint64) []status.Task {
	out := []status.Task{}
	for _, id := range ids {
		t, err := c.Task(ctx, id)
		if err != nil {
			t = status.Task{ID: id}
		}
		out = append(out, t)
	}
	return out
}

func numbers(ids []uint64) string {
	var parts []string
	for i, id := range ids {
		if i == 10 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, strconv.FormatUint(id, 10))
	}
	return strings.Join(parts, ", ")
}

// showProgress prints a line for a task that runs, over and over on a terminal.
func (a *app) showProgress(t status.Task) {
	if a.json || !a.style.colour || t.State != status.TaskRunning {
		return
	}
	line := fmt.Sprintf("%s %s: %d of %d, %s", t.Kind, t.Backend, t.ItemsDone, t.ItemsTotal, size(t.BytesDone))
	if t.BytesPerSecond > 0 {
		line += ", " + size(t.BytesPerSecond) + "/s"
	}
	if !t.ExpectedEnd.IsZero() {
		line += ", " + short(t.ExpectedEnd.Sub(a.clk.Now())) + " left"
	}
	fmt.Fprintf(a.env.Stderr, "\r\x1b[K%s", line)
}

func (a *app) showOutcomes(tasks []status.Task) {
	if a.style.colour {
		fmt.Fprint(a.env.Stderr, "\r\x1b[K")
	}
	if len(tasks) == 0 {
		a.say("There was nothing to do.")
	}
	for _, t := range tasks {
		text := fmt.Sprintf("task %d: %s %s: %s", t.ID, t.Kind, t.Backend, t.State)
		if t.Error != "" {
			text += ": " + t.Error
		} else if len(t.Log) > 0 {
			_, words, _ := strings.Cut(t.Log[len(t.Log)-1], " ")
			text += ": " + words
		}
		a.say(text)
	}
}

// exitOf is the exit status of tasks: all done, partly done, or failed.
func exitOf(tasks []status.Task) int {
	good, bad := 0, 0
	for _, t := range tasks {
		switch t.State {
		case status.TaskDone:
			good++
		case status.TaskPartial:
			good++
			bad++
		default:
			bad++
		}
	}
	switch {
	case bad == 0:
		return ExitDone
	case good > 0:
		return ExitPartly
	}
	return ExitFailed
}

func (a *app) dismissCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "dismiss BACKEND", Short: "Give up the actions that a backend can't do", Args: cobra.ExactArgs(1)}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		if !yes {
			a.note(fmt.Sprintf("The unsynced actions of %s will never be done. Give them up? [y/N]", args[0]))
			answer, err := bufio.NewReader(a.env.Stdin).ReadString('\n')
			if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
				return &fault{code: ExitFailed, err: fmt.Errorf("nothing was given up"), next: a.name + " dismiss --yes " + args[0]}
			}
		}
		n, err := c.Dismiss(ctx, args[0])
		if err != nil {
			return err
		}
		a.say(plural(n, "action was given up.", "actions were given up."))
		return nil
	})
	return cmd
}

// taskCommand shows and steers one task.
func (a *app) taskCommand() *cobra.Command {
	parent := &cobra.Command{Use: "task", Short: "Show, cancel or retry one task"}
	add := func(use, short string, do func(context.Context, *client.Client, uint64) error) {
		parent.AddCommand(&cobra.Command{Use: use + " ID", Short: short, Args: cobra.ExactArgs(1), RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usagef("%q is no number of a task", args[0])
			}
			return do(ctx, c, id)
		})})
	}
	add("show", "All that is known of a task", func(ctx context.Context, c *client.Client, id uint64) error {
		t, err := c.Task(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			doc, err := status.TaskDocument(t)
			if err != nil {
				return err
			}
			return a.printJSON(doc)
		}
		a.say(fmt.Sprintf("task %d: %s %s: %s (attempt %d, priority %d)\n%s", t.ID, t.Kind, t.Backend, t.State, t.Attempt, t.Priority, t.Reason))
		if t.Error != "" {
			a.say(t.Error)
		}
		for _, line := range t.Log {
			a.say("  " + line)
		}
		return nil
	})
	add("cancel", "End a task", func(ctx context.Context, c *client.Client, id uint64) error {
		if err := c.Cancel(ctx, id); err != nil {
			return err
		}
		a.say(fmt.Sprintf("Task %d is cancelled.", id))
		return nil
	})
	add("retry", "Try a task now that waits", func(ctx context.Context, c *client.Client, id uint64) error {
		if err := c.Retry(ctx, id); err != nil {
			return err
		}
		a.say(fmt.Sprintf("Task %d is tried now.", id))
		return nil
	})
	return parent
}

// workerRestart replaces a worker by a fresh one.
func (a *app) workerRestart() *cobra.Command {
	parent := &cobra.Command{Use: "worker", Short: "Steer one of the four workers"}
	parent.AddCommand(&cobra.Command{Use: "restart NAME", Short: "Replace a worker by a fresh one", Args: cobra.ExactArgs(1),
		RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.RestartWorker(ctx, args[0]); err != nil {
				return err
			}
			a.say("Worker " + args[0] + " is replaced.")
			return nil
		})})
	return parent
}
