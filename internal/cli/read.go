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
	insights := simple("insights", "Buckets, pins, redundancy, what is due", func(ctx context.Context, c *client.Client, _ []string) ([]byte, error) { return c.Insights(ctx) }, a.showInsights, takes(0, 0))
	explain := simple("explain BACKEND", "Why the planner acts on a backend now, or does not", func(ctx context.Context, c *client.Client, args []string) ([]byte, error) {
		return c.Explain(ctx, args[0])
	}, a.showExplain, takes(1, 1))
	where := simple("where CID", "Which backends hold a CID", func(ctx context.Context, c *client.Client, args []string) ([]byte, error) {
		return c.Where(ctx, args[0])
	}, a.showWhere, takes(1, 1))
	return []*cobra.Command{a.statusCommand(), insights, a.healthCommand(), a.errorsCommand(), a.backendsCommand(), a.tasksCommand(), a.historyCommand(), explain, where, a.watchCommand(), a.logsCommand()}
}

func (a *app) showInsights(doc []byte) error {
	var v insightsView
	if err := decode(doc, &v); err != nil {
		return err
	}
	out := a.env.Stdout
	fmt.Fprintf(out, "Buckets:  %d; %d to be backed up; %.1f pins each on average\n", v.Buckets.Total, v.Buckets.NeedBackup, v.Buckets.Average)
	fmt.Fprintf(out, "Backends: %d%s\n", v.Backends.Total, distribution(v.Backends.Types))
	if avg, ok := v.Backends.Responses["average_ms"]; ok {
		fmt.Fprintf(out, "Response: %.1f ms on average, %.1f ms at most\n", avg, v.Backends.Responses["max_ms"])
	}
	fmt.Fprintf(out, "Pins:     %d%s\n", v.Pins.Total, distribution(v.Pins.ByStatus))
	for _, level := range slices.Sorted(maps.Keys(v.Pins.Redundancy)) {
		fmt.Fprintf(out, "          %s on %s\n", plural(uint64(max(v.Pins.Redundancy[level], 0)), "CID", "CIDs"), backendsWord(level)) //nolint:gosec // not negative
	}
	colon := ":"
	if len(v.Sync.Need) == 0 {
		colon = ""
	}
	fmt.Fprintf(out, "To do:    %s; %s%s\n", plural(uint64(max(v.Metrics.Pending, 0)), "action pending", "actions pending"), //nolint:gosec // not negative
		plural(uint64(max(v.Sync.Count, len(v.Sync.Need))), "backend needs a sync", "backends need a sync"), colon)
	for _, n := range v.Sync.Need {
		fmt.Fprintf(out, "          %s\n", n)
	}
	if more := v.Sync.Count - len(v.Sync.Need); more > 0 {
		fmt.Fprintf(out, "          … and %d more\n", more)
	}
	fmt.Fprintf(out, "Metadata: read %s ago\n", short(time.Duration(v.Metrics.Freshness*float64(time.Second))))
	a.showPeriods(v)
	return nil
}

func backendsWord(n string) string {
	if n == "1" {
		return "1 backend"
	}
	return n + " backends"
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

func (a *app) showExplain(doc []byte) error {
	var v explainView
	if err := decode(doc, &v); err != nil {
		return err
	}
	a.showBackend(v.Backend, v.Details, true)
	for _, line := range v.Decision {
		a.tell("  - ", "    ", line)
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
	a.table([]string{"BACKEND", "STATE", "VERIFIED", "WHERE"}, rows)
	return nil
}

func (a *app) errorsCommand() *cobra.Command {
	return &cobra.Command{Use: "errors [BACKEND]", Short: "What went wrong, counted", Args: takes(0, 1), RunE: a.with(func(ctx context.Context, c *client.Client, args []string) error {
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
		a.table([]string{"BACKEND", "CLASS", "COUNT", "LAST", "MESSAGE"}, rows)
		if cursor != "" {
			a.note("There are more; those of one backend: " + a.name + " errors BACKEND")
		}
		return nil
	})}
}

func (a *app) backendsCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "backends", Short: "All backends", Args: takes(0, 0)}
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
			response := "-"
			if b.ResponseMS > 0 {
				response = fmt.Sprintf("%.1f ms", b.ResponseMS)
			}
			rows = append(rows, []string{b.Name, b.Type, b.Health, dirty, response})
		}
		a.table([]string{"BACKEND", "TYPE", "HEALTH", "MARK", "RESPONSE"}, rows)
		return nil
	})
	return cmd
}
