package cli

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// visible keeps names and errors, which others wrote, from steering the terminal and from making lines of their own.
func visible(s string) string { return escape(s, false) }

// visibleLines is visible for a text that may have several lines.
func visibleLines(s string) string { return escape(s, true) }

func escape(s string, lines bool) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var sb strings.Builder
	for _, r := range s {
		switch {
		case !hidden(r) || lines && (r == '\n' || r == '\t'):
			sb.WriteRune(r)
		case r == '\n' || r == '\t':
			sb.WriteByte(' ')
		default:
			fmt.Fprintf(&sb, "\\u%04x", r)
		}
	}
	return sb.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }

// visibleJSON makes all texts of a JSON document visible.
func visibleJSON(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for i := 0; i < len(doc); {
		r, n := utf8.DecodeRune(doc[i:])
		switch {
		case r == '\\' && i+1 < len(doc):
			r, n = escaped(doc[i:])
			if hidden(r) {
				out = append(out, strings.ReplaceAll(visible(string(r)), `\`, `\\`)...)
			} else {
				out = append(out, doc[i:i+n]...)
			}
		case hidden(r) && r > ' ': // lower ones stand between the values
			out = fmt.Appendf(out, `\\u%04x`, r)
		default:
			out = append(out, doc[i:i+n]...)
		}
		i += n
	}
	return out
}

// escaped is the character of a JSON escape, or of two that are a surrogate pair, and the length of that.
func escaped(doc []byte) (rune, int) {
	if i := strings.IndexByte("bfnrt", doc[1]); i >= 0 {
		return rune("\b\f\n\r\t"[i]), 2
	}
	r, ok := codeUnit(doc)
	if !ok {
		return rune(doc[1]), 2
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	low, _ := codeUnit(doc[6:])
	if pair := utf16.DecodeRune(r, low); pair != unicode.ReplacementChar {
		return pair, 12
	}
	return 'u', 2 // half a pair: decoders show U+FFFD
}

// codeUnit reads the \uXXXX that a text begins with.
func codeUnit(doc []byte) (rune, bool) {
	if len(doc) < 6 || doc[0] != '\\' || doc[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(doc[2:6]), 16, 16)
	return rune(v), err == nil
}

// width is how many columns a text takes, colours not counted.
func width(s string) int {
	n := 0
	for _, w := range columnsOf(s) {
		n += w
	}
	return n
}

// columnsOf gives the places of the characters of a text, and how many columns each takes; those of a colour take none.
func columnsOf(s string) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		colour := false
		for i, r := range s {
			w := runeWidth(r)
			if colour = colour || r == '\x1b'; colour {
				w, colour = 0, r != 'm'
			}
			if !yield(i, w) {
				return
			}
		}
	}
}

// wrap breaks a line between words where a terminal's line ends; what follows is
// indented. A word that is longer stays whole. 0 columns: nothing is broken.
func wrap(line, indent string, columns int) (out []string) {
	for columns > 0 && width(line) > columns {
		begin, at, n := len(line)-len(strings.TrimLeft(line, " ")), -1, 0
		for i, w := range columnsOf(line) {
			if i > begin && line[i] == ' ' && (n <= columns || at < 0) {
				at = i
			}
			n += w
		}
		if at < 0 {
			break
		}
		out = append(out, strings.TrimRight(line[:at], " "))
		line = indent + strings.TrimLeft(line[at:], " ")
	}
	return append(out, line)
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2 // East Asian wide characters and pictures
	}
	return 1
}

// cut shortens a text without colours to columns, and shows that it did.
func cut(s string, columns int) string {
	if width(s) <= columns {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > columns-1 {
			return s[:i] + "…"
		}
	}
	return s
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
	return a.since(t)
}

// since is ago for a time, zero for never.
func (a *app) since(t time.Time) string {
	d := a.clk.Now().Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < 0:
		return "in " + short(-d)
	case d < time.Second:
		return "just now"
	}
	return short(d) + " ago"
}

// span is how long something is so already.
func (a *app) span(stamp *string) string {
	text, _ := strings.CutSuffix(a.ago(stamp), " ago")
	if text == "just now" {
		return "0 s"
	}
	return text
}

// millis writes milliseconds; what took next to no time took some.
func millis(ms float64) string {
	if ms > 0 && ms < 0.1 {
		return "< 0.1 ms"
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// short writes a duration in units that people count in.
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
