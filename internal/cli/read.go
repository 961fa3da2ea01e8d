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
	"ipfskit.org/intelligent/internal/human"
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
	out := func(format string, args ...any) { a.line(fmt.Sprintf(format, args...), countsIndent+"  ") }
	buckets := ""
	if v.Buckets.Total > 0 {
		buckets = fmt.Sprintf("; %d to be backed up; %.1f pins each on average", v.Buckets.NeedBackup, v.Buckets.Average)
	}
	out("Buckets:  %d%s", v.Buckets.Total, buckets)
	out("Backends: %d%s", v.Backends.Total, distribution(v.Backends.Types))
	if avg, ok := v.Backends.Responses["average_ms"]; ok {
		out("Response: %s on average, %s at most", millis(avg), millis(v.Backends.Responses["max_ms"]))
	}
	out("Pins:     %d in mappings%s", v.Pins.Total, distribution(v.Pins.ByStatus))
	for _, level := range slices.Sorted(maps.Keys(v.Pins.Redundancy)) {
		out("          %s on %s", human.Count(v.Pins.Redundancy[level], "CID", "CIDs"), backendsWord(level))
	}
	colon := ":"
	if len(v.Sync.Need) == 0 {
		colon = ""
	}
	out("To do:    %s; %s%s", human.Count(v.Metrics.Pending, "action pending", "actions pending"),
		human.Count(max(v.Sync.Count, len(v.Sync.Need)), "backend needs a sync", "backends need a sync"), colon)
	for _, n := range v.Sync.Need {
		out("          %s", n)
	}
	if more := v.Sync.Count - len(v.Sync.Need); more > 0 {
		out("          … and %d more", more)
	}
	out("Metadata: %s", a.read(v.Metrics.Freshness))
	a.showPeriods(v)
	return nil
}

// read says when the metadata were read, so many seconds ago: they count since 1970 where that was never.
func (a *app) read(ago float64) string {
	d := time.Duration(ago * float64(time.Second))
	if a.clk.Now().Add(-d).Before(time.Unix(0, 0).AddDate(1, 0, 0)) {
		return "never read"
	}
	return "read " + short(d) + " ago"
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
	a.showBackendBut(v.Backend, v.Details, true, v.Decision)
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
		all, err := listErrors(ctx, c, first(args))
		if err != nil {
			return err
		}
		if a.json {
			return a.printMade(status.ErrorsDocument(all, ""))
		}
		if len(all) == 0 {
			a.say("No error is recorded; what is wrong now: " + a.name + " health")
			return nil
		}
		var rows [][]string
		for _, e := range all {
			last := e.Last.Format(time.RFC3339)
			rows = append(rows, []string{e.Backend, e.Class, fmt.Sprint(e.Count), a.ago(&last), e.Message})
		}
		a.table([]string{"BACKEND", "CLASS", "COUNT", "LAST", "MESSAGE"}, rows)
		return nil
	})}
}

// listErrors reads all pages.
func listErrors(ctx context.Context, c *client.Client, backend string) (all []status.ErrorEntry, err error) {
	for q := (status.ErrorQuery{Backend: backend, Limit: 1000}); ; {
		page, cursor, err := c.ListErrors(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if q.Cursor = cursor; cursor == "" {
			return all, nil
		}
	}
}

func (a *app) backendsCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{Use: "backends", Short: "All backends", Args: takes(0, 0)}
	cmd.Flags().StringVar(&state, "state", "", "only those in this `state`: "+strings.Join(backendStates, ", "))
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		if err := oneOf("--state", state, backendStates); err != nil {
			return err
		}
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
		all, err := listBackends(ctx, c, state)
		if err != nil {
			return err
		}
		if err := held(ctx, c, all); err != nil {
			return err
		}
		if a.json {
			return a.printMade(status.BackendsDocument(all, ""))
		}
		if len(all) == 0 {
			a.showNoBackends(state)
			return nil
		}
		var rows [][]string
		for _, b := range all {
			state := "clean"
			if b.Dirty {
				state = "dirty"
				if b.PendingActions > 0 {
					state = fmt.Sprintf("dirty (%d)", b.PendingActions)
				}
			}
			if b.Blocked != "" {
				state += ", blocked"
			}
			if b.Paused {
				state += ", paused"
			}
			response := "-"
			if b.ResponseMS > 0 {
				response = millis(b.ResponseMS)
			}
			rows = append(rows, []string{b.Name, b.Type, b.Health, state, response})
		}
		a.table([]string{"BACKEND", "TYPE", "HEALTH", "STATE", "RESPONSE"}, rows)
		return nil
	})
	return cmd
}

// listBackends reads all pages.
func listBackends(ctx context.Context, c *client.Client, state string) (all []status.Backend, err error) {
	for q := (status.BackendQuery{State: state, Limit: 1000}); ; {
		page, cursor, err := c.ListBackends(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if q.Cursor = cursor; cursor == "" {
			return all, nil
		}
	}
}

// held says which backends are blocked or paused: the rows of the list don't tell.
func held(ctx context.Context, c *client.Client, all []status.Backend) error {
	for _, how := range []string{"blocked", "paused"} {
		some, err := listBackends(ctx, c, how)
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, b := range some {
			names[b.Name] = true
		}
		for i := range all {
			switch b := &all[i]; {
			case !names[b.Name]:
			case how == "blocked":
				b.Blocked = how // why, is not asked for
			default:
				b.Paused = true
			}
		}
	}
	return nil
}

// showNoBackends says that there are none, or none in a state.
func (a *app) showNoBackends(state string) {
	if state != "" {
		a.say(noneIn(state))
		return
	}
	a.say("There are no backends: none is configured in backends/NAME.yaml of the home.")
}
