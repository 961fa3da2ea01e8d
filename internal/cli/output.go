package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// style knows what the reader is. A colour never carries a meaning alone.
type style struct {
	colour bool
	// tty is the terminal that texts are for, nil where there is none: then
	// nothing is cut and nothing is drawn over.
	tty *os.File
	// usual is how wide a terminal is taken to be that does not tell it.
	usual int
}

// styleOf looks at the terminal, NO_COLOR and TERM.
func styleOf(out io.Writer, env Env) style {
	f, ok := out.(*os.File)
	if name := env.Getenv("TERM"); !ok || !term.IsTerminal(int(f.Fd())) || name == "" || name == "dumb" {
		return style{}
	}
	columns, err := strconv.Atoi(env.Getenv("COLUMNS"))
	if err != nil || columns <= 0 {
		columns = usualWidth
	}
	return style{env.Getenv("NO_COLOR") == "", f, columns}
}

// printer is standard output: it remembers that something could not be printed, so
// that a file which is cut on a full disk is not taken for a whole one.
type printer struct {
	io.Writer

	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (p *printer) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if err != nil && !errors.Is(err, syscall.EPIPE) { // who closed a pipe has what was wanted
		p.mu.Lock()
		p.err = cmp.Or(p.err, err)
		p.mu.Unlock()
	}
	return n, err
}

// failed is why something could not be printed.
func (p *printer) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// usual is the size of a terminal that does not tell its own.
const usualWidth, usualHeight = 80, 24

// size is the terminal's, now; columns are 0 where lines are not to be cut.
func (s style) size() (columns, lines int) {
	if s.tty == nil {
		return 0, 0
	}
	columns, lines, err := term.GetSize(int(s.tty.Fd()))
	if err != nil || columns <= 0 {
		columns = s.usual
	}
	if err != nil || lines <= 0 {
		lines = usualHeight
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
		a.line(line, "  ")
	}
}

// line prints a text: on a terminal broken between words where a line ends, with
// what follows indented, elsewhere whole.
func (a *app) line(text, indent string) {
	columns, _ := a.style.size()
	for _, l := range wrap(a.typed(text), indent, columns) {
		fmt.Fprintln(a.env.Stdout, l)
	}
}

// tell is line for a text that others wrote, which may have lines of its own.
func (a *app) tell(first, indent, text string) {
	a.line(first+strings.Join(strings.Fields(text), " "), indent)
}

// note prints a text beside what was asked for, as line does: on a terminal broken between words.
func (a *app) note(text string) {
	columns, _ := styleOf(a.env.Stderr, a.env).size()
	for line := range strings.SplitSeq(text, "\n") {
		for _, l := range wrap(line, "  ", columns) {
			fmt.Fprintln(a.env.Stderr, l)
		}
	}
}

// printJSON prints a document of the service as it is.
func (a *app) printJSON(doc []byte) error {
	_, err := fmt.Fprintf(a.env.Stdout, "%s\n", bytes.TrimRight(doc, "\n"))
	return err
}

// printMade prints a document that was made here, unless it could not be.
func (a *app) printMade(doc []byte, err error) error {
	if err != nil {
		return err
	}
	return a.printJSON(doc)
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

// table prints columns that are as wide as their widest cell. On a terminal long
// cells are cut, and what does not fit beside the others stands below them, in
// all rows alike; elsewhere each row is one line, and whole.
func (a *app) table(head []string, rows [][]string) {
	columns, _ := a.style.size()
	all := append([][]string{head}, rows...)
	widths := make([]int, len(head))
	for _, r := range all {
		for i := range r {
			r[i] = visible(r[i])
			if columns > 0 && i < len(r)-1 {
				r[i] = cut(r[i], min(cellLimit, columns))
			}
			widths[i] = max(widths[i], width(r[i]))
		}
	}
	below := breaks(widths, columns)
	for _, r := range all {
		line := ""
		for i, c := range r {
			if below[i] {
				fmt.Fprintln(a.env.Stdout, strings.TrimRight(line, " "))
				line = "  "
			}
			line += c
			if i < len(r)-1 {
				line += strings.Repeat(" ", widths[i]-width(c)+2)
			}
		}
		line = strings.TrimRight(line, " ")
		if columns > 0 {
			line = cut(line, columns)
		}
		fmt.Fprintln(a.env.Stdout, line)
	}
}

// lastCell is how much of a line the last cell of a row has at least, if it is so long.
const lastCell = 20

// breaks tells before which cells of a row a new line begins. The last one, which is cut, may be longer than its room.
func breaks(widths []int, columns int) []bool {
	out := make([]bool, len(widths))
	at := 0
	for i, w := range widths {
		if i == len(widths)-1 {
			w = min(w, lastCell)
		}
		if columns > 0 && i > 0 && at+w > columns {
			out[i], at = true, 2
		}
		at += widths[i] + 2
	}
	return out
}
