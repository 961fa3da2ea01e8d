package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
)

// completeLimit is how long a shell may wait for names; the scripts of tests wait longer on a busy machine.
var completeLimit = time.Second

// completer gives the words that an argument or flag may be.
type completer = cobra.CompletionFunc

// anyNumber of arguments: more than a shell completes.
const anyNumber = 1000

// completions has names completed: those of the running service, and none is started for them.
func (a *app) completions(root *cobra.Command) {
	backends := func(most int) completer { return a.names(most, backendNames) }
	tasks := a.names(1, taskNumbers)
	files := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveDefault
	}
	restore := func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return restoreWhat, cobra.ShellCompDirectiveNoFileComp
		}
		return backends(1)(cmd, args, begun)
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	for path, f := range map[string]completer{
		"status": backends(anyNumber), "check": backends(anyNumber), "backup": backends(anyNumber), "verify": backends(anyNumber),
		"errors": backends(1), "explain": backends(1), "pause": backends(1), "resume": backends(1), "dismiss": backends(1), "logs": backends(1),
		"restore": restore, "task show": tasks, "task cancel": tasks, "task retry": tasks,
		"worker restart": words(1, status.Workers), "inspect": files,
	} {
		if cmd, _, err := root.Find(strings.Fields(path)); err == nil {
			cmd.ValidArgsFunction = f
		}
	}
	for flag, f := range map[string]completer{
		"sync backend": backends(anyNumber), "tasks backend": backends(anyNumber), "history backend": backends(anyNumber), "history what": words(anyNumber, status.HistorySubjects), "wait for": words(anyNumber, waitWords),
		"status state": words(anyNumber, backendStates), "backends state": words(anyNumber, backendStates), "tasks state": words(anyNumber, taskStates),
		" bus": words(anyNumber, busNames),
	} {
		path, name, _ := strings.Cut(flag, " ")
		if cmd, _, err := root.Find(strings.Fields(path)); err == nil {
			cmd.RegisterFlagCompletionFunc(name, f) //nolint:errcheck // each is there: a test completes it
		}
	}
}

func backendNames(ctx context.Context, c *client.Client) (out []cobra.Completion) {
	all, err := listBackends(ctx, c, "")
	if err != nil {
		return nil // nothing is completed
	}
	for _, b := range all {
		out = append(out, b.Name)
	}
	return out
}

func taskNumbers(ctx context.Context, c *client.Client) (out []cobra.Completion) {
	page, _, err := c.ListTasks(ctx, status.TaskQuery{Limit: 100})
	if err != nil {
		return nil
	}
	for _, t := range page {
		out = append(out, cobra.CompletionWithDesc(strconv.FormatUint(t.ID, 10), visible(fmt.Sprintf("%s %s: %s", t.Kind, t.Backend, t.State))))
	}
	return out
}

func words(most int, list []string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// names asks the service, within the limit, for the words of at most so many arguments; those that stand there are left out.
func (a *app) names(most int, get func(context.Context, *client.Client) []cobra.Completion) completer {
	return func(cmd *cobra.Command, args []string, begun string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeLimit)
		defer cancel()
		c, err := a.find(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close() //nolint:errcheck // it was only asked
		for _, name := range get(ctx, c) {
			word, _, _ := strings.Cut(name, "\t")
			if strings.HasPrefix(word, begun) && !slices.Contains(args, word) && visible(word) == word {
				out = append(out, name)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
