package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ipfskit.org/intelligent/internal/human"
)

// takes bounds the arguments of a command, which the usage line names.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			_, what, _ := strings.Cut(cmd.Use, " ")
			return usagef("an argument is missing: %s", what)
		case len(args) > most && cmd.Flags().Lookup("backend") != nil:
			return hint("did you mean --backend "+human.Shell(args[most])+"?", "it takes no argument %q", args[most])
		case most == 0 && len(args) > 0:
			return usagef("it takes no argument %q", args[0])
		case len(args) > most:
			return usagef("it takes no argument %q here; there may be %d", args[most], most)
		}
		return nil
	}
}

// hint is a wrong use with a next step of its own.
func hint(next, format string, args ...any) *fault {
	f := usagef(format, args...)
	f.next = next
	return f
}

// group is the body of a command that only has others below it.
func (a *app) group(cmd *cobra.Command, args []string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	if len(args) == 0 {
		return hint(cmd.CommandPath()+" --help", "a command is missing; there are: %s", strings.Join(known, ", "))
	}
	next := cmd.CommandPath() + " --help"
	if near := nearest(args[0], known); near != "" {
		next = fmt.Sprintf("did you mean %q? All of them: %s", near, next)
	}
	return hint(next, "unknown command %q", args[0])
}

// wrongFlag says which flag was meant.
func wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef("%w", err)
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	next := cmd.CommandPath() + " --help"
	if near := nearest(unknown.GetSpecifiedName(), known); near != "" {
		next = fmt.Sprintf("did you mean --%s? All of them: %s", near, next)
	}
	return hint(next, "%w", err)
}

// oneOf refuses a word that is none of those that are allowed, and names the nearest.
func oneOf(flag, word string, allowed []string) error {
	if word == "" || slices.Contains(allowed, word) {
		return nil
	}
	f := usagef("%s %q is not known: %s", flag, word, strings.Join(allowed, ", "))
	if near := nearest(word, allowed); near != "" {
		f.next = fmt.Sprintf("did you mean %q?", near)
	}
	return f
}

// nearestBackend is the known name most like the one in the service's message.
func (a *app) nearestBackend(ctx context.Context, message string) string {
	c, err := a.find(ctx)
	if err != nil {
		return ""
	}
	defer c.Close() //nolint:errcheck // it was only asked
	all, err := listBackends(ctx, c, "")
	if err != nil {
		return ""
	}
	var known []string
	for _, b := range all {
		known = append(known, b.Name)
	}
	_, quoted, _ := strings.Cut(message, `"`)
	word, _, _ := strings.Cut(quoted, `"`)
	return nearest(word, known)
}

// nearest is the known word that begins so, or is spelled most alike, small letters or capitals; empty where none is near.
func nearest(word string, known []string) string {
	best, least := "", 0
	word = strings.ToLower(word)
	for _, k := range known {
		lower := strings.ToLower(k)
		d := distance(word, lower)
		if word != "" && strings.HasPrefix(lower, word) {
			d = 0
		}
		if d <= max(2, len(word)/3) && d < len(k) && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to change, add, take away, or swap with their neighbour.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	d := make([][]int, len(x)+1)
	for i := range d {
		d[i] = make([]int, len(y)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(x)][len(y)]
}
