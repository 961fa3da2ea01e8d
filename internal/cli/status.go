package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// backendStates are what --state selects backends by.
var backendStates = []string{"dirty", "clean", "blocked", "paused", status.HealthUnknown, status.HealthHealthy,
	status.HealthDegraded, status.HealthUnhealthy, status.HealthMisconfigured}

func (a *app) statusCommand() *cobra.Command {
	var detailed bool
	var state string
	cmd := &cobra.Command{Use: "status [BACKEND…]", Short: "How the service and its backends are, problems first"}
	cmd.Flags().BoolVarP(&detailed, "detailed", "d", false, "all backends and workers, not only what needs attention")
	cmd.Flags().StringVar(&state, "state", "", "only backends in this `state`: "+strings.Join(backendStates, ", "))
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		if err := oneOf("--state", state, backendStates); err != nil {
			return err
		}
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
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
		if len(args) > 0 || state != "" {
			v.narrow()
		}
		a.showStatus(v, detailed || len(args) > 0 || state != "", detailed, state)
		return nil
	})
	return cmd
}

// noneIn says that no backend is in a state.
func noneIn(state string) string { return "No backend is " + state + "." }

// countsIndent is below the words of the lines that count things.
const countsIndent = "          "

// showStatus prints problems first: all of the backends that are shown where detailed, and all
// workers where asked for. A state that was asked for is named where nothing is in it.
func (a *app) showStatus(v statusView, detailed, workers bool, state string) {
	a.line(a.style.bold(headline(v)), "  ")
	if v.Service.Reason != "" {
		a.line(a.style.warn(v.Service.Reason), "  ")
	}
	for _, alert := range v.Alerts {
		a.line(fmt.Sprintf("%s %s, for %s", a.style.bad(alert.Severity+":"), alert.Title, a.span(alert.Since)), "  ")
	}
	for _, p := range v.Problems {
		if !v.tells(p.Error) {
			a.tell("", "    ", "can't be read: "+p.Error)
		}
	}
	if more := v.ProblemCount - len(v.Problems); more > 0 {
		a.line(fmt.Sprintf("… and %s more that can't be read: %s status --detailed", human.Count(more, "file", "files"), a.name), "  ")
	}
	for _, name := range byUrgency(v.Details) {
		a.showBackend(name, v.Details[name], detailed)
	}
	if v.Count > len(v.Details) {
		all := a.name + " status --detailed"
		if state != "" {
			all += " --state " + state
		}
		a.line(fmt.Sprintf("… and %d more: %s", v.Count-len(v.Details), all), "  ")
	}
	if state != "" && v.Count == 0 {
		a.line("  "+noneIn(state), "    ")
	}
	for _, line := range a.counts(v) {
		a.line(line, countsIndent)
	}
	for _, t := range v.Tasks.Running {
		a.line(fmt.Sprintf("  task %d: %s %s: %s", t.ID, t.Kind, t.Backend, a.progress(t)), "    ")
	}
	a.showWorkers(v, workers)
	degraded := slices.ContainsFunc(slices.Collect(maps.Values(v.Details)), func(b backendView) bool { return b.Health == status.HealthDegraded })
	if degraded || v.Stats.Unhealthy+v.Stats.Blocked > 0 || v.ProblemCount > 0 || v.Service.State == status.StateWaiting || v.Service.State == status.StateDegraded {
		a.line(fmt.Sprintf("Next:     %s health   (what to do about each problem)", a.name), countsIndent)
	}
}

// narrow leaves out configurations that can't be read: each is a backend's, and told with it where it was asked for.
func (v *statusView) narrow() {
	kept := v.Problems[:0]
	for _, p := range v.Problems {
		if dir, _, _ := strings.Cut(p.File, "/"); dir == "backends" || dir == "backend_configs" {
			v.ProblemCount--
		} else {
			kept = append(kept, p)
		}
	}
	v.Problems = kept
}

// tells says whether a backend that is shown has an error among what is wrong with it.
func (v statusView) tells(text string) bool {
	for _, b := range v.Details {
		if b.Error != nil && strings.Contains(*b.Error, text) {
			return true
		}
	}
	return false
}

func headline(v statusView) string {
	return fmt.Sprintf("%s for %s, home %s", v.Service.State, short(time.Duration(v.Service.Uptime*float64(time.Second))), v.Service.Home)
}

// byUrgency has the names of those first that need a person.
func byUrgency(all map[string]backendView) []string {
	rank := func(b backendView) int {
		switch {
		case b.Health == status.HealthUnhealthy || b.Health == status.HealthMisconfigured:
			return 0
		case b.blockedBy() != "":
			return 1
		case b.Health == status.HealthDegraded:
			return 2
		case b.Dirty:
			return 3
		}
		return 4
	}
	names := slices.Sorted(maps.Keys(all))
	slices.SortStableFunc(names, func(x, y string) int { return rank(all[x]) - rank(all[y]) })
	return names
}

// counts are the lines that count things.
func (a *app) counts(v statusView) []string {
	s := v.Stats
	lines := []string{fmt.Sprintf("Backends: %d; %d dirty, %d blocked, %d unhealthy", s.Backends, s.Dirty, s.Blocked, s.Unhealthy)}
	if v.Health.Monitored > 0 {
		lines[0] += fmt.Sprintf("; %.0f%% of %d known are healthy", v.Health.Percent, v.Health.Monitored)
	}
	if s.Dirty > 0 {
		text := "Dirty:    "
		if v.Service.OldestDirty != nil { // a mark may have no time
			text += "the oldest for " + a.span(v.Service.OldestDirty) + "; "
		}
		text += fmt.Sprintf("%.1f a minute come, %.1f are mended", v.Service.DirtyMinute, v.Service.MendedMinute)
		if v.Service.ExpectedClean != nil {
			text += "; clean " + a.ago(v.Service.ExpectedClean)
		}
		lines = append(lines, text)
	}
	lines = append(lines,
		fmt.Sprintf("Tasks:    %d running, %d waiting, %d done, %d failed", v.Tasks.Active, v.Tasks.Queued, v.Tasks.Completed, v.Tasks.Failed),
		fmt.Sprintf("Content:  %s, %s", human.Count(s.Buckets, "bucket", "buckets"), human.Count(v.Pins.Total, "pin in mappings", "pins in mappings")))
	if v.Service.Paused {
		until := "until: " + a.name + " resume"
		if v.Service.PausedUntil != nil {
			until = "it goes on " + a.ago(v.Service.PausedUntil)
		}
		lines = append(lines, "Paused:   no new task starts; "+until)
	}
	if v.Service.Unwatched > 0 {
		lines = append(lines, "Watches:  "+human.Count(v.Service.Unwatched, "folder is", "folders are")+" beyond the kernel's limit and looked at now and then; which one: "+a.name+" doctor")
	}
	return lines
}

func (a *app) showWorkers(v statusView, detailed bool) {
	for _, w := range v.Workers {
		if !detailed && w.Healthy && w.Restarts == 0 {
			continue
		}
		text := fmt.Sprintf("Worker:   %s is %s, last seen alive %s", w.Name, w.State, a.ago(w.LastBeat))
		if w.Restarts > 0 {
			text += ", replaced " + human.Count(w.Restarts, "time", "times")
		}
		if w.Error != nil {
			text += ": " + *w.Error
		}
		a.line(text, countsIndent)
	}
}

// blockedBy is what keeps a backend dirty that a person must see to; empty when nothing does.
func (b backendView) blockedBy() string {
	if b.Blocked == nil {
		return ""
	}
	return *b.Blocked
}

// standing is how a backend is, in few words; detailed: also what is well.
func (a *app) standing(b backendView, detailed bool) []string {
	var words []string
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
	if b.Dirty {
		text := "dirty"
		if b.DirtySince != nil {
			text += " for " + a.span(b.DirtySince)
		}
		text = a.style.warn(text)
		if b.Pending > 0 {
			text += " (" + human.Count(b.Pending, "action", "actions") + ")"
		}
		words = append(words, text)
	} else if detailed {
		words = append(words, "clean")
	}
	if b.blockedBy() != "" {
		words = append(words, a.style.bad("blocked"))
	}
	if b.Paused {
		words = append(words, "paused")
	}
	if b.NextRetry != nil {
		next := a.ago(b.NextRetry)
		if !strings.HasPrefix(next, "in ") {
			next = "is due"
		}
		words = append(words, "next try "+next)
	}
	return words
}

// why says what is wrong with a backend; one text where two say the same.
func (b backendView) why() []string {
	var out []string
	if b.blockedBy() != "" {
		out = append(out, b.blockedBy())
	}
	if b.Error != nil && *b.Error != "" && !strings.Contains(b.blockedBy(), *b.Error) {
		out = append(out, *b.Error)
	}
	if len(out) == 0 && b.Health == status.HealthUnhealthy && b.LastCheck != nil {
		out = append(out, "its last check went well; it is healthy again after some in a row")
	}
	return out
}

// showBackend prints what needs attention of a backend; detailed: all of it.
func (a *app) showBackend(name string, b backendView, detailed bool) {
	a.showBackendBut(name, b, detailed, nil)
}

// showBackendBut is showBackend without what is wrong with it where one of the lines that follow says that too.
func (a *app) showBackendBut(name string, b backendView, detailed bool, follow []string) {
	words, why := a.standing(b, detailed), b.why()
	if len(words)+len(why) == 0 {
		return
	}
	if len(words) == 0 {
		words = append(words, "it had an error")
	}
	a.line(fmt.Sprintf("  %s: %s", name, strings.Join(words, ", ")), "    ")
	for _, w := range why {
		if !slices.ContainsFunc(follow, func(line string) bool { return strings.Contains(line, w) }) {
			a.tell("    ", "    ", w)
		}
	}
	if !detailed {
		return
	}
	content := human.Count(b.Pins, "pin", "pins")
	if b.Storage > 0 { // else nobody knows it
		content += ", " + human.Bytes(b.Storage)
	}
	if place := strings.TrimSpace(b.Type + " " + b.Endpoint); place != "" {
		content = place + "; " + content
	}
	a.tell("    ", "    ", fmt.Sprintf("%s; synced %s, checked %s, backed up %s", content,
		a.ago(b.LastSync), a.ago(b.LastCheck), a.ago(b.LastBackup)))
}
