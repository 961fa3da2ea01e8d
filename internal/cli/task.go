package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// taskStates are what --state selects tasks by.
var taskStates = []string{status.TaskQueued, status.TaskRunning, status.TaskWaitingRetry, status.TaskBlocked,
	status.TaskDone, status.TaskPartial, status.TaskFailed, status.TaskCancelled}

// tasksLimit is how many tasks are listed unless more are asked for.
const tasksLimit = 100

func (a *app) tasksCommand() *cobra.Command {
	var since, state, backend string
	var limit int
	cmd := &cobra.Command{Use: "tasks", Short: "What runs, waits, and has ended, newest first", Args: takes(0, 0)}
	cmd.Flags().StringVar(&since, "since", "", "only from this `time` on: 90m, 2d, 15:04, 2026-01-31")
	cmd.Flags().StringVar(&state, "state", "", "only those in this `state`: "+strings.Join(taskStates, ", "))
	cmd.Flags().StringVar(&backend, "backend", "", "only of this `backend`")
	cmd.Flags().IntVarP(&limit, "limit", "n", tasksLimit, "at most this `number`; 0: all")
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		q := status.TaskQuery{State: state, Backend: backend}
		var err error
		if since != "" {
			if q.Since, err = moment(since, a.clk.Now()); err != nil {
				return err
			}
		}
		if limit < 0 {
			return usagef("--limit %d is below 0; 0 is all", limit)
		}
		if err := oneOf("--state", state, taskStates); err != nil {
			return err
		}
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
		all, cursor, err := listTasks(ctx, c, q, limit)
		if err != nil {
			return err
		}
		if a.json {
			return a.printMade(status.TasksDocument(all, cursor))
		}
		a.showTasks(all)
		if cursor != "" {
			a.note("There are more; all of them: " + a.name + " tasks --limit 0" + chosen(cmd.Flags(), "since", "state", "backend"))
		}
		return nil
	})
	return cmd
}

// chosen are those of some flags that were given, to be typed again.
func chosen(flags *pflag.FlagSet, names ...string) (text string) {
	for _, name := range names {
		if f := flags.Lookup(name); f.Changed {
			text += " --" + name + " " + human.Shell(f.Value.String())
		}
	}
	return text
}

// listTasks reads pages up to a limit, 0 for all; the cursor is not empty where there are more.
func listTasks(ctx context.Context, c *client.Client, q status.TaskQuery, limit int) (all []status.Task, cursor string, err error) {
	for {
		q.Limit = 1000
		if limit > 0 {
			q.Limit = min(q.Limit, limit-len(all))
		}
		page, next, err := c.ListTasks(ctx, q)
		if err != nil {
			return nil, "", err
		}
		all = append(all, page...)
		if q.Cursor = next; next == "" || len(all) == limit {
			return all, next, nil
		}
	}
}

func (a *app) showTasks(all []status.Task) {
	if len(all) == 0 {
		a.say("There are no such tasks.")
		return
	}
	var rows [][]string
	for _, t := range all {
		done := fmt.Sprintf("%.0f%%", 100*t.Progress)
		if t.State == status.TaskBlocked { // all of it was looked at, and that is not done
			done = "-"
		}
		rows = append(rows, []string{strconv.FormatUint(t.ID, 10), t.Kind, t.Backend, t.State, done})
	}
	a.table([]string{"TASK", "KIND", "BACKEND", "STATE", "DONE"}, rows)
}

// moment reads a time of the past: how long ago, a time of today, a day, or RFC 3339.
func moment(text string, now time.Time) (time.Time, error) {
	if d, err := config.Duration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, usagef("%q is no time: use 90m, 24h, 2d, 15:04, 2026-01-31, \"2026-01-31 15:04\" or RFC 3339", text)
}

// taskCommand shows and steers one task.
func (a *app) taskCommand() *cobra.Command {
	parent := &cobra.Command{Use: "task", Short: "Show, cancel or retry one task", Args: cobra.ArbitraryArgs, RunE: a.group}
	add := func(use, short string, do func(context.Context, *client.Client, uint64) error) {
		parent.AddCommand(&cobra.Command{Use: use + " ID", Short: short, Args: takes(1, 1), RunE: a.do(func(ctx context.Context, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return hint(a.name+" tasks", "%q is no number of a task", args[0])
			}
			c, err := a.connect(ctx)
			if err != nil {
				return err
			}
			defer c.Close() //nolint:errcheck // it was only asked
			return a.tooLate(do(ctx, c, id))
		})})
	}
	add("show", "All that is known of a task", func(ctx context.Context, c *client.Client, id uint64) error {
		t, err := c.Task(ctx, id)
		if err != nil {
			return err
		}
		if a.json {
			return a.printMade(status.TaskDocument(t))
		}
		a.showTask(t)
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

// tooLate is no wrong use: the task was another one when it was looked at.
func (a *app) tooLate(err error) error {
	var se *status.Error
	if errors.As(err, &se) && (se.Code == status.InvalidArgument || se.Code == status.NotCancelable) {
		return &fault{code: ExitFailed, kind: se.Code, err: err, next: a.name + " tasks"}
	}
	return err
}

func (a *app) showTask(t status.Task) {
	say := func(format string, args ...any) { a.line(visible(fmt.Sprintf(format, args...)), "            ") }
	say("task %d: %s %s: %s", t.ID, t.Kind, t.Backend, t.State)
	say("  why:      %s", t.Reason)
	say("  attempt:  %d, priority %d (1 is the most urgent)", t.Attempt, t.Priority)
	if t.State == status.TaskRunning || t.ItemsTotal > 0 {
		say("  progress: %s", a.progress(viewOf(t)))
	}
	say("  queued:   %s", a.when(t.Created))
	if !t.Started.IsZero() {
		say("  started:  %s", a.when(t.Started))
	}
	if !t.Finished.IsZero() {
		say("  ended:    %s", a.when(t.Finished))
	}
	if !t.NextTry.IsZero() && t.Finished.IsZero() {
		say("  next try: %s", a.when(t.NextTry))
	}
	if t.Error != "" {
		say("  error:    %s", t.Error)
	}
	for _, line := range t.Log {
		say("  log:      %s", line)
	}
}

// when is a time in this zone, and how long ago it was.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05 MST"), a.since(t))
}

// workerCommand steers the workers.
func (a *app) workerCommand() *cobra.Command {
	parent := &cobra.Command{Use: "worker", Short: "Restart one of the four workers", Args: cobra.ArbitraryArgs, RunE: a.group}
	parent.AddCommand(&cobra.Command{Use: "restart NAME", Short: "Replace a worker by a fresh one", Args: takes(1, 1),
		RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
			if err := c.RestartWorker(ctx, args[0]); err != nil {
				f := a.classify(ctx, err)
				var known *fault
				if near := nearest(args[0], status.Workers); errors.As(f, &known) && known.code == ExitNotFound && near != "" {
					known.next = fmt.Sprintf("did you mean %q?", near)
				}
				return f
			}
			a.say("Worker " + args[0] + " is replaced.")
			return nil
		})})
	return parent
}
