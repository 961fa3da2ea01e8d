package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// style knows what the reader is. A colour never carries a meaning alone.
type style struct {
	colour bool
	// tty is the terminal that texts are for, nil where there is none: then
	// nothing is cut and nothing is drawn over.
	tty *os.File
}

// styleOf looks at the terminal, NO_COLOR and TERM.
func styleOf(out io.Writer, env Env) style {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || env.Getenv("TERM") == "dumb" {
		return style{}
	}
	return style{env.Getenv("NO_COLOR") == "", f}
}

// usual is the size of a terminal that does not tell its own.
const usualWidth, usualHeight = 80, 24

// size is the terminal's, now; columns are 0 where lines are not to be cut.
func (s style) size() (columns, lines int) {
	if s.tty == nil {
		return 0, 0
	}
	columns, lines, err := term.GetSize(int(s.tty.Fd()))
	if err != nil || columns <= 0 || lines <= 0 {
		return usualWidth, usualHeight
	}
	return columns, lines
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

// tell prints a text below others: on a terminal broken between words where a
// line ends, with its lines indented, elsewhere whole.
func (a *app) tell(first, indent, text string) {
	columns, _ := a.style.size()
	text = a.typed(text)
	line := first
	for i, word := range strings.Fields(text) {
		if i > 0 && columns > 0 && width(line)+1+width(word) > columns {
			fmt.Fprintln(a.env.Stdout, line)
			line = indent + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(a.env.Stdout, line)
}

// note prints a line beside what was asked for.
func (a *app) note(line string) { fmt.Fprintln(a.env.Stderr, line) }

// printJSON prints a document of the service as it is.
func (a *app) printJSON(doc []byte) error {
	_, err := fmt.Fprintf(a.env.Stdout, "%s\n", bytes.TrimRight(doc, "\n"))
	return err
}

// decode reads a document of the service for a text: what others named can't steer the terminal.
func decode(doc []byte, to any) error {
	if err := json.Unmarshal(visibleJSON(doc), to); err != nil {
		return fmt.Errorf("the service answered with what is no document: %w", err)
	}
	return nil
}

// cellLimit is how much of a terminal a cell that is not the last may take.
const cellLimit = 32

// table prints columns that are as wide as their widest cell. On a terminal
// long cells are cut, so that each row is one line; elsewhere they are whole.
func (a *app) table(head []string, rows [][]string) {
	columns, _ := a.style.size()
	all := append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, r := range all {
		for i := range r {
			r[i] = visible(r[i])
			if columns > 0 && i < len(r)-1 {
				r[i] = cut(r[i], cellLimit)
			}
			widths[i] = max(widths[i], width(r[i]))
		}
	}
	for _, r := range all {
		var sb strings.Builder
		for i, c := range r {
			sb.WriteString(c)
			if i < len(r)-1 {
				sb.WriteString(strings.Repeat(" ", widths[i]-width(c)+2))
			}
		}
		line := strings.TrimRight(sb.String(), " ")
		if columns > 0 {
			line = cut(line, columns)
		}
		fmt.Fprintln(a.env.Stdout, line)
	}
}
