package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// style knows whether colours are wanted. A colour never carries a meaning alone.
type style struct{ colour bool }

// styleOf looks at the terminal, NO_COLOR and TERM.
func styleOf(out io.Writer, env Env) style {
	f, ok := out.(*os.File)
	return style{ok && term.IsTerminal(int(f.Fd())) && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb"}
}

func (s style) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bad(text string) string  { return s.paint("31", text) }
func (s style) warn(text string) string { return s.paint("33", text) }
func (s style) good(text string) string { return s.paint("32", text) }
func (s style) bold(text string) string { return s.paint("1", text) }

// say prints a line that was asked for; with --json it is not wanted.
func (a *app) say(line string) {
	if !a.json {
		fmt.Fprintln(a.env.Stdout, line)
	}
}

// note prints a line beside what was asked for.
func (a *app) note(line string) { fmt.Fprintln(a.env.Stderr, line) }

// printJSON prints a document of the service as it is.
func (a *app) printJSON(doc []byte) error {
	_, err := fmt.Fprintf(a.env.Stdout, "%s\n", bytes.TrimRight(doc, "\n"))
	return err
}

// decode reads a document of the service for a text.
func decode(doc []byte, to any) error {
	if err := json.Unmarshal(doc, to); err != nil {
		return fmt.Errorf("the service answered with what is no document: %w", err)
	}
	return nil
}

// table prints columns that are as wide as their widest cell; the last one takes what is left of 80 columns, and more if it must.
func table(w io.Writer, head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, r := range append([][]string{head}, rows...) {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, r := range append([][]string{head}, rows...) {
		var sb strings.Builder
		for i, c := range r {
			if i == len(r)-1 {
				sb.WriteString(c)
				break
			}
			sb.WriteString(c + strings.Repeat(" ", width[i]-len([]rune(c))+2))
		}
		fmt.Fprintln(w, strings.TrimRight(sb.String(), " "))
	}
}

// ago says how long ago a time of a document was.
func (a *app) ago(stamp *string) string {
	if stamp == nil {
		return "never"
	}
	t, err := time.Parse(time.RFC3339Nano, *stamp)
	if err != nil {
		return *stamp
	}
	d := a.clk.Now().Sub(t)
	if d < 0 {
		return "in " + short(-d)
	}
	return short(d) + " ago"
}

// short writes a duration in its two greatest units.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// size writes bytes for people.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
