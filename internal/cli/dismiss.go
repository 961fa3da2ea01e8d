package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

func (a *app) dismissCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "dismiss BACKEND", Short: "Give up the actions that a backend can't do", Args: takes(1, 1)}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	cmd.RunE = a.with(func(ctx context.Context, c *client.Client, args []string) error {
		if !yes {
			if err := a.askDismiss(ctx, c, args[0]); err != nil {
				return err
			}
		}
		n, err := c.Dismiss(ctx, args[0])
		if err != nil {
			return err
		}
		if a.json {
			return a.printMade(status.DismissDocument(n))
		}
		if n == 0 {
			a.say(visible(args[0]) + " is clean; there was nothing to give up.")
			return nil
		}
		a.say(human.Count(n, "action was given up.", "actions were given up."))
		return nil
	})
	return cmd
}

// askDismiss tells what would be given up, and asks for it.
func (a *app) askDismiss(ctx context.Context, c *client.Client, name string) error {
	doc, err := c.Status(ctx, false, []string{name}, "")
	if err != nil {
		return err
	}
	var v statusView
	if err := decode(doc, &v); err != nil {
		return err
	}
	b := v.Details[visible(name)]
	if !b.Dirty {
		return nil // it says so itself
	}
	again := a.name + " dismiss --yes " + human.Argument(name)
	if !a.attended() {
		return hint(again, "nobody can be asked here, and --yes was not given")
	}
	for _, why := range b.why() {
		a.note(why)
	}
	what := "What the mark of " + visible(name) + " asks for"
	if b.Pending > 0 {
		what = human.Count(b.Pending, "unsynced action", "unsynced actions") + " of " + visible(name)
	}
	fmt.Fprint(a.env.Stderr, what+" will never be done. Give up? [y/N] ")
	answer := make(chan string, 1)
	go func() { // it ends with the process where nobody answers
		line, _ := bufio.NewReader(a.env.Stdin).ReadString('\n') //nolint:errcheck // no answer is no
		answer <- line
	}()
	select {
	case line := <-answer:
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y") {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(a.env.Stderr)
	}
	return &fault{code: ExitFailed, err: errors.New("nothing was given up"), next: again}
}
