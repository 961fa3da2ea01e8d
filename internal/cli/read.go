package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

// readCommands show how things are.
func (a *app) readCommands() []*cobra.Command {
	simple := func(use, short string, get func(context.Context, *client.Client, []string) ([]byte, error), show func([]byte) error, args cobra.PositionalArgs) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: args, RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
			doc, err := get(ctx, c, args)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(doc)
			}
			return show(doc)
		})}
	}
	insights := simple("insights", "Buckets, pins, redundancy, what is due", func(ctx context.Context, c *client.Client, _ []string) ([]byte, error) { return c.Insights(ctx) }, a.showInsights, cobra.NoArgs)
	explain := simple("explain BACKEND", "Why the planner acts on a backend now, or does not", func(ctx context.Context, c *client.Client, args []string) ([]byte, error) {
		return c.Explain(ctx, args[0])
	}, a.showExplain, cobra.ExactArgs(1))
	where := simple("where CID", "Which backends hold a CID", func(ctx context.Context, c *client.Client, args []string) ([]byte, error) {
		return c.Where(ctx, args[0])
	}, a.showWhere, cobra.ExactArgs(1))
	return []*cobra.Command{a.statusCommand(), insights, a.healthCommand(), a.errorsCommand(), a.backendsCommand(), a.tasksCommand(), a.taskCommand(), a.historyCommand(), explain, where}
}

func (a *app) statusCommand() *cobra.Command {
	var detailed bool
	var state string
	cmd := &cobra.Command{Use: "status [BACKEND…]", Short: "How the service and its backends are, problems first"}
	cmd.Flags().BoolVarP(&detailed, "detailed", "d", false, "all backends and workers, not only what needs attention")
	cmd.Flags().StringVar(&state, "state", "", "only backends in this `state` (dirty, blocked, unhealthy …)")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		doc, err := c.Status(ctx, detailed, args, state)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(doc)
		}
		var v statusView
		if err := decode(doc, &v); err != nil {
			return err
		}
		a.showStatus(v, detailed || len(args) > 0 || state != "")
		return nil
	})
	return cmd
}

// showStatus prints problems first.
func (a *app) showStatus(v statusView, detailed bool) {
	out := a.env.Stdout
	line := fmt.Sprintf("%s for %s, home %s", v.Service.State, short(time.Duration(v.Service.Uptime*float64(time.Second))), v.Service.Home)
	fmt.Fprintln(out, a.style.bold(line))
	if v.Service.Reason != "" {
		fmt.Fprintln(out, a.style.warn(v.Service.Reason))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Details)) {
		a.showBackend(name, v.Details[name], detailed)
	}
	if v.Truncated {
		fmt.Fprintf(out, "… and %d more: %s status --detailed\n", v.Count-len(v.Details), a.name)
	}
	for _, p := range v.Problems {
		fmt.Fprintf(out, "%s %s: %s\n", a.style.warn("can't be read:"), p.File, p.Error)
	}
	dirty := plural(v.Stats.Dirty, "dirty", "dirty")
	if v.Stats.Dirty > 0 {
		dirty += fmt.Sprintf(" (%.1f a minute come, %.1f are mended; oldest %s", v.Service.DirtyMinute, v.Service.MendedMinute, a.ago(v.Service.OldestDirty))
		if v.Service.ExpectedClean != nil {
			dirty += ", clean " + a.ago(v.Service.ExpectedClean)
		}
		dirty += ")"
	}
	fmt.Fprintf(out, "Backends: %d, %s, %d blocked, %d unhealthy (%.0f%% of %d known healthy)\n", v.Stats.Backends, dirty, v.Stats.Blocked, v.Stats.Unhealthy, v.Health.Percent, v.Health.Monitored)
	fmt.Fprintf(out, "Tasks:    %d running, %d waiting, %d done, %d failed\n", v.Tasks.Active, v.Tasks.Queued, v.Tasks.Completed, v.Tasks.Failed)
	fmt.Fprintf(out, "Content:  %s, %s\n", plural(v.Stats.Buckets, "bucket", "buckets"), plural(uint64(max(v.Pins.Total, 0)), "pin", "pins")) //nolint:gosec // not negative
	if v.Service.Unwatched > 0 {
		fmt.Fprintf(out, "%d folders are beyond the kernel's limit of watches, and are looked at in intervals; raise fs.inotify.max_user_watches\n", v.Service.Unwatched)
	}
	for _, w := range v.Workers {
		if !detailed && w.Healthy && w.Restarts == 0 {
			continue
		}
		text := fmt.Sprintf("Worker %s: %s, last beat %s, replaced %d times", w.Name, w.State, a.ago(w.LastBeat), w.Restarts)
		if w.Error != nil {
			text += ": " + *w.Error
		}
		fmt.Fprintln(out, text)
	}
}

// showBackend prints what needs attention of a backend; detailed: all of it.
func (a *app) showBackend(name string, b backendView, detailed bool) {
	var words []string
	if b.Dirty {
		words = append(words, a.style.warn(fmt.Sprintf("dirty (%s, since %s)", plural(b.Pending, "action", "actions"), a.ago(b.DirtySince))))
	}
	if b.Blocked != nil && *b.Blocked != "" {
		words = append(words, a.style.bad("blocked: "+*b.Blocked))
	}
	switch b.Health {
	case status.HealthUnhealthy, status.HealthMisconfigured:
		words = append(words, a.style.bad(b.Health))
	case status.HealthDegraded:
		words = append(words, a.style.warn(b.Health))
	default:
		if detailed {
			words = append(words, b.Health)
		}
	}
	if b.Error != nil && *b.Error != "" && (b.Blocked == nil || *b.Blocked != *b.Error) {
		words = append(words, *b.Error)
	}
	if b.NextRetry != nil {
		words = append(words, "next try "+a.ago(b.NextRetry))
	}
	if b.Paused {
		words = append(words, "paused")
	}
	if detailed {
		words = append(words, b.Type, b.Endpoint, plural(b.Pins, "pin", "pins"), size(b.Storage), "synced "+a.ago(b.LastSync), "checked "+a.ago(b.LastCheck))
	}
	if len(words) > 0 {
		fmt.Fprintf(a.env.Stdout, "  %s: %s\n", name, strings.Join(words, ", "))
	}
}

func (a *app) showInsights(doc []byte) error {
	var v insightsView
	if err := decode(doc, &v); err != nil {
		return err
	}
	out := a.env.Stdout
	fmt.Fprintf(out, "Buckets:  %d, %d need a backup, %.1f pins each on average\n", v.Buckets.Total, v.Buckets.NeedBackup, v.Buckets.Average)
	fmt.Fprintf(out, "Backends: %d%s\n", v.Backends.Total, distribution(v.Backends.Types))
	if avg, ok := v.Backends.Responses["average_ms"]; ok {
		fmt.Fprintf(out, "Response: %.1f ms on average, %.1f ms at most\n", avg, v.Backends.Responses["max_ms"])
	}
	fmt.Fprintf(out, "Pins:     %d%s\n", v.Pins.Total, distribution(v.Pins.ByStatus))
	for _, level := range slices.Sorted(maps.Keys(v.Pins.Redundancy)) {
		fmt.Fprintf(out, "          %d CIDs are on %s backends\n", v.Pins.Redundancy[level], level)
	}
	fmt.Fprintf(out, "To do:    %s, %d backends need a sync\n", plural(uint64(max(v.Metrics.Pending, 0)), "action pending", "actions pending"), max(v.Sync.Count, len(v.Sync.Need))) //nolint:gosec // not negative
	for _, n := range v.Sync.Need {
		fmt.Fprintf(out, "          %s\n", n)
	}
	fmt.Fprintf(out, "Metadata: read %s ago\n", short(time.Duration(v.Metrics.Freshness*float64(time.Second))))
	a.showPeriods(v)
	return nil
}

func distribution(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[k], k))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (a *app) healthCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{Use: "health", Short: "What is wrong, and what to do about it", Args: cobra.NoArgs}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing: the exit status tells")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, _ []string) error {
		doc, err := c.Health(ctx)
		if err != nil {
			return err
		}
		var v healthView
		if err := decode(doc, &v); err != nil {
			return err
		}
		switch {
		case quiet:
		case a.json:
			if err := a.printJSON(doc); err != nil {
				return err
			}
		default:
			a.showHealth(v)
		}
		if !v.Healthy {
			return outcome(ExitUnhealthy)
		}
		return nil
	})
	return cmd
}

func (a *app) showHealth(v healthView) {
	out := a.env.Stdout
	if v.Healthy {
		fmt.Fprintln(out, a.style.good("Nothing is wrong")+" ("+v.State+").")
	}
	for _, i := range v.Issues {
		who := ""
		if i.Backend != nil && *i.Backend != "" {
			who = *i.Backend + ": "
		}
		fmt.Fprintf(out, "%s %s%s\n", a.style.bad(i.Severity+":"), who, i.What)
		if i.Why != "" {
			fmt.Fprintf(out, "  why: %s\n", i.Why)
		}
		if i.Recommendation != "" {
			fmt.Fprintf(out, "  do:  %s\n", i.Recommendation)
		}
	}
	if v.Truncated {
		fmt.Fprintf(out, "… and %d more: %s health --json\n", v.Count-len(v.Issues), a.name)
	}
}

func (a *app) showExplain(doc []byte) error {
	var v explainView
	if err := decode(doc, &v); err != nil {
		return err
	}
	a.showBackend(v.Backend, v.Details, true)
	for _, line := range v.Decision {
		fmt.Fprintf(a.env.Stdout, "  - %s\n", line)
	}
	return nil
}

func (a *app) showWhere(doc []byte) error {
	var v whereView
	if err := decode(doc, &v); err != nil {
		return err
	}
	if len(v.Holders) == 0 {
		a.say("No backend's mapping lists " + v.CID + ".")
		return nil
	}
	var rows [][]string
	for _, h := range v.Holders {
		why := ""
		if h.Error != nil {
			why = *h.Error
		}
		rows = append(rows, []string{h.Backend, h.State, a.ago(h.Verified), h.Target + " " + why})
	}
	table(a.env.Stdout, []string{"BACKEND", "STATE", "VERIFIED", "WHERE"}, rows)
	return nil
}

func (a *app) errorsCommand() *cobra.Command {
	return &cobra.Command{Use: "errors [BACKEND]", Short: "What went wrong, counted", Args: cobra.MaximumNArgs(1), RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
		page, cursor, err := c.ListErrors(ctx, status.ErrorQuery{Backend: first(args), Limit: 1000})
		if err != nil {
			return err
		}
		if a.json {
			doc, err := status.ErrorsDocument(page, cursor)
			if err != nil {
				return err
			}
			return a.printJSON(doc)
		}
		if len(page) == 0 {
			a.say("Nothing went wrong.")
			return nil
		}
		var rows [][]string
		for _, e := range page {
			last := e.Last.Format(time.RFC3339)
			rows = append(rows, []string{e.Backend, e.Class, fmt.Sprint(e.Count), a.ago(&last), e.Message})
		}
		table(a.env.Stdout, []string{"BACKEND", "CLASS", "COUNT", "LAST", "MESSAGE"}, rows)
		return nil
	})}
}

func (a *app) backendsCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "backends", Short: "All backends", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&state, "state", "", "only those in this `state`")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, _ []string) error {
		var all []status.Backend
		q := status.BackendQuery{State: state, Limit: 1000}
		for {
			page, cursor, err := c.ListBackends(ctx, q)
			if err != nil {
				return err
			}
			all = append(all, page...)
			if q.Cursor = cursor; cursor == "" {
				break
			}
		}
		if a.json {
			doc, err := status.BackendsDocument(all, "")
			if err != nil {
				return err
			}
			return a.printJSON(doc)
		}
		var rows [][]string
		for _, b := range all {
			dirty := "clean"
			if b.Dirty {
				dirty = fmt.Sprintf("dirty (%d)", b.PendingActions)
			}
			rows = append(rows, []string{b.Name, b.Type, b.Health, dirty, fmt.Sprintf("%.1f ms", b.ResponseMS)})
		}
		table(a.env.Stdout, []string{"BACKEND", "TYPE", "HEALTH", "MARK", "RESPONSE"}, rows)
		return nil
	})
	return cmd
}

func (a *app) tasksCommand() *cobra.Command {
	var since time.Duration
	var state, backend string
	cmd := &cobra.Command{Use: "tasks", Short: "What runs, waits, and has ended", Args: cobra.NoArgs}
	cmd.Flags().DurationVar(&since, "since", 0, "only of the last (1h, 24h)")
	cmd.Flags().StringVar(&state, "state", "", "only those in this `state`")
	cmd.Flags().StringVar(&backend, "backend", "", "only of this backend")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, _ []string) error {
		q := status.TaskQuery{State: state, Backend: backend, Limit: 100}
		if since > 0 {
			q.Since = a.clk.Now().Add(-since)
		}
		page, cursor, err := c.ListTasks(ctx, q)
		if err != nil {
			return err
		}
		if a.json {
			doc, err := status.TasksDocument(page, cursor)
			if err != nil {
				return err
			}
			return a.printJSON(doc)
		}
		var rows [][]string
		for _, t := range page {
			rows = append(rows, []string{fmt.Sprint(t.ID), t.Kind, t.Backend, t.State, fmt.Sprintf("%.0f%%", 100*t.Progress)})
		}
		table(a.env.Stdout, []string{"TASK", "KIND", "BACKEND", "STATE", "DONE"}, rows)
		return nil
	})
	return cmd
}
