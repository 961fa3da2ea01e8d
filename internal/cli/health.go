package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
)

func (a *app) healthCommand() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{Use: "health", Short: "What is wrong, and what to do about it", Args: takes(0, 0)}
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
	if v.Healthy {
		a.line(a.style.good("Nothing is wrong")+" ("+v.State+").", "  ")
	}
	for _, i := range v.Issues {
		who := ""
		if i.Backend != nil && *i.Backend != "" && !strings.Contains(i.What, *i.Backend) {
			who = *i.Backend + ": "
		}
		severity := i.Severity + ":"
		switch i.Severity {
		case "error", "critical":
			severity = a.style.bad(severity)
		case "warning":
			severity = a.style.warn(severity)
		}
		a.tell(severity+" ", "  ", who+i.What)
		if i.Why != "" {
			a.tell("  why: ", "       ", i.Why)
		}
		if i.Recommendation != "" {
			a.tell("  do:  ", "       ", i.Recommendation)
		}
	}
	if v.Truncated {
		a.line(fmt.Sprintf("… and %d more: %s status --detailed", v.Count-len(v.Issues), a.name), "  ")
	}
}
