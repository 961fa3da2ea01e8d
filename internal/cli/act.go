package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// actCommands ask for work.
func (a *app) actCommands() []*cobra.Command {
	return []*cobra.Command{a.syncCommand(),
		a.workCommand("check [BACKEND…]", "Check the health of backends now", "No backend can be checked.", (*client.Client).Check),
		a.workCommand("backup [BACKEND…]", "Back up buckets and metadata now", "No filesystem backend can be used as a target of backups.", (*client.Client).Backup),
		a.workCommand("verify [BACKEND…]", "Read back what is stored, backups included", "No backend can be read back.", (*client.Client).Verify),
		a.restoreCommand(), a.dismissCommand(), a.pauseCommand(), a.resumeCommand(), a.rescanCommand(), a.taskCommand(), a.workerCommand()}
}

// waiting are the flags of commands that can wait for what they asked for.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&w.wait, "wait", "w", false, "wait for the end and show progress")
	patienceVar(cmd.Flags(), &w.timeout, "timeout", "with --wait: give up after this `time` (30s, 5m); 0: never")
}

func (a *app) syncCommand() *cobra.Command {
	var names []string
	var reconcile, dry bool
	var w waiting
	cmd := &cobra.Command{Use: "sync", Short: "Copy now what is missing, to dirty backends or named ones", Args: takes(0, 0)}
	cmd.Flags().StringArrayVar(&names, "backend", nil, "only this `backend`, dirty or not; may be repeated")
	cmd.Flags().BoolVar(&reconcile, "reconcile", false, "compare all that a backend holds, not only what is dirty; with --backend, your word for many removals")
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
			return a.showPlan(ctx, c, doc)
		}
		ids, err := c.Sync(ctx, names, reconcile)
		if err != nil {
			return err
		}
		if len(ids) == 0 && !a.json {
			return a.nothingToSync(ctx, c, "There is nothing to sync.")
		}
		return a.follow(ctx, c, ids, w, "")
	})
	return cmd
}

func (a *app) showPlan(ctx context.Context, c *client.Client, doc []byte) error {
	var v planView
	if err := decode(doc, &v); err != nil {
		return err
	}
	if len(v.Backends) == 0 {
		return a.nothingToSync(ctx, c, "There is nothing to sync; nothing was done.")
	}
	modes := map[string]string{"delta": "what its marks ask for", "reconcile": "compared whole"}
	for _, b := range v.Backends {
		mode := b.Mode
		if words, ok := modes[mode]; ok {
			mode = words
		}
		a.line(fmt.Sprintf("%s (%s):", b.Backend, mode), "  ")
		for _, x := range b.Actions {
			size := ""
			if x.Bytes > 0 { // else nobody knows it
				size = " (" + human.Bytes(x.Bytes) + ")"
			}
			reason := x.Reason
			if b.Blocked != nil && strings.Contains(*b.Blocked, reason) {
				reason = "" // it is said once
			}
			a.line(strings.TrimRight(fmt.Sprintf("  %s %s%s %s", x.Action, x.CID, size, reason), " "), "    ")
		}
		if more := b.Count - len(b.Actions); more > 0 {
			a.line(fmt.Sprintf("  … and %d more", more), "    ")
		}
		if b.Error != nil {
			a.tell("  ", "    ", "can't be planned: "+*b.Error)
		}
		if b.Blocked != nil {
			a.tell("  ", "    ", "would be blocked: "+*b.Blocked)
		}
		if len(b.Actions) == 0 && b.Error == nil {
			a.line("  nothing", "    ")
		}
	}
	steps := human.Count(v.Actions, "step", "steps")
	if v.Bytes > 0 {
		steps += ", " + human.Bytes(v.Bytes) + " to copy"
	}
	a.say(steps + "; nothing was done.")
	return nil
}

func (a *app) workCommand(use, short, nothing string, ask func(*client.Client, context.Context, []string) ([]uint64, error)) *cobra.Command {
	var w waiting
	cmd := &cobra.Command{Use: use, Short: short}
	w.flags(cmd)
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		ids, err := ask(c, ctx, args)
		if err != nil {
			return err
		}
		return a.follow(ctx, c, ids, w, nothing)
	})
	return cmd
}

// restoreWhat are the things that restore knows.
var restoreWhat = []string{"buckets", "metadata", "pins"}

func (a *app) restoreCommand() *cobra.Command {
	var o client.RestoreOptions
	var w waiting
	cmd := &cobra.Command{Use: "restore BACKEND buckets|metadata|pins", Short: "Bring back a backup, or the pins of a backend", Args: takes(2, 2)}
	cmd.Flags().StringVar(&o.Into, "into", "", "a `folder` that exists, instead of the home")
	cmd.Flags().StringVar(&o.Backup, "backup", "", "a backup by its manifest's `name`, instead of the newest")
	cmd.Flags().BoolVar(&o.Overwrite, "overwrite", false, "replace what is there")
	w.flags(cmd)
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		if err := oneOf("what to restore:", args[1], restoreWhat); err != nil {
			return err
		}
		if o.Into != "" { // the service has another working directory
			into, err := filepath.Abs(o.Into)
			if err != nil {
				return err
			}
			o.Into = into
		}
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
		id, err := c.Restore(ctx, args[0], args[1], o)
		if err != nil {
			return err
		}
		return a.follow(ctx, c, []uint64{id}, w, "")
	})
	return cmd
}

// follow says what was queued or, with --wait, how it ended; nothing is what to say where nothing was.
func (a *app) follow(ctx context.Context, c *client.Client, ids []uint64, w waiting, nothing string) error {
	if !w.wait || len(ids) == 0 {
		if a.json {
			return a.printOutcomes(tasksOf(ctx, c, ids))
		}
		if len(ids) == 0 {
			a.say(nothing)
			a.note("What is wrong: " + a.name + " health")
			return nil
		}
		a.say(fmt.Sprintf("Queued: %s.", numbers(ids)))
		a.note("To see how it goes: " + a.name + " task show " + strconv.FormatUint(ids[0], 10))
		return nil
	}
	wctx, cancel := within(ctx, w.timeout)
	defer cancel()
	m := a.newMeter(len(ids))
	tasks, err := c.WaitTasks(wctx, ids, m.show)
	m.clear()
	if err != nil {
		return a.leftAlone(err, ids, tasks)
	}
	if a.json {
		if err := a.printOutcomes(tasks); err != nil {
			return err
		}
	} else {
		a.showOutcomes(tasks)
	}
	return outcome(exitOf(tasks))
}

// nothingToSync says so, and that something is dirty all the same where it is.
func (a *app) nothingToSync(ctx context.Context, c *client.Client, text string) error {
	a.say(text)
	m, err := c.Properties(ctx)
	if err == nil && m.DirtyBackends > 0 {
		a.note(fmt.Sprintf("Dirty, and paused or not to be synced as configured: %s. Next: %s health", human.Count(m.DirtyBackends, "backend", "backends"), a.name))
	}
	return err
}

// leftAlone says that tasks go on which are not waited for any more.
func (a *app) leftAlone(err error, ids []uint64, tasks []status.Task) error {
	f := &fault{code: ExitFailed}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.code, f.err = ExitTimeout, errors.New("timed out")
	case errors.Is(err, context.Canceled):
		f.err = errors.New("interrupted")
	default:
		return err
	}
	var open []uint64
	for i, id := range ids {
		if i >= len(tasks) || !client.Ended(tasks[i]) {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		return f
	}
	goes := "it goes on"
	if len(open) > 1 {
		goes = "they go on"
	}
	f.err = fmt.Errorf("%w while waiting for %s; %s without this command", f.err, numbers(open), goes)
	f.next = fmt.Sprintf("%s task show %d, or to end it: %s task cancel %d", a.name, open[0], a.name, open[0])
	return f
}

func (a *app) printOutcomes(tasks []status.Task) error {
	return a.printMade(status.OutcomesDocument(tasks))
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

// numbers names tasks by their numbers.
func numbers(ids []uint64) string {
	if len(ids) == 1 {
		return fmt.Sprintf("task %d", ids[0])
	}
	var parts []string
	for i, id := range ids {
		if i == 10 {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, strconv.FormatUint(id, 10))
	}
	return fmt.Sprintf("%d tasks (%s)", len(ids), strings.Join(parts, ", "))
}

func (a *app) showOutcomes(tasks []status.Task) {
	for _, t := range tasks {
		text := fmt.Sprintf("task %d: %s %s: %s", t.ID, t.Kind, t.Backend, t.State)
		if t.Error != "" {
			text += ": " + t.Error
		} else if len(t.Log) > 0 {
			_, words, _ := strings.Cut(t.Log[len(t.Log)-1], " ")
			text += ": " + words
		}
		a.say(visible(text))
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
