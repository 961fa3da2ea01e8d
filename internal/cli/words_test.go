package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"ipfskit.org/intelligent/internal/status"
)

func TestTextsCantSteerTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain ü 漢 😀":      "plain ü 漢 😀",
		"a\x1b[2Jb":        `a\u001b[2Jb`,
		"two\nlines\tand":  "two lines and",
		"back\rwards\b":    `back\u000dwards\u0008`,
		"\u202egnihtyreve": `\u202egnihtyreve`,
		"c1\u009b2J\x7f":   `c1\u009b2J\u007f`,
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
		doc, err := json.Marshal(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := decode(doc, &got); err != nil || got[want] != want {
			t.Errorf("%q in a document: %v %q, want %q", text, err, got, want)
		}
	}
}

func FuzzDocumentsStayDocumentsWithoutHiddenCharacters(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `{"\u001b":"\\u001b\n\"\u202e"}`, "\u009b", `\`, `"\ud83d\ude00"`, `"\udb40\udc41"`, `"\ud83d"`, `"\ud83dx"`, `{"a":"\/"}`, "\r0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		out := visibleJSON([]byte(doc))
		if !json.Valid([]byte(doc)) {
			return
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(out))
		d.UseNumber() // of any size
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%q became %q: %v", doc, out, err)
		}
		if s, ok := v.(string); ok && strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }) {
			t.Errorf("%q shows %q", doc, s)
		}
	})
}

func TestCellsAreCutByColumns(t *testing.T) {
	for text, want := range map[string]string{"short": "short", "exactly-10": "exactly-10", "eleven-char": "eleven-ch…", "漢字漢字漢字": "漢字漢字…", "漢字漢字漢": "漢字漢字漢"} {
		if got := cut(text, 10); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

func TestTimesOfThePastAreRead(t *testing.T) {
	now := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"90m": "2026-02-01T10:30:00Z", "1d12h": "2026-01-31T00:00:00Z", "2d": "2026-01-30T12:00:00Z", "11:30": "2026-02-01T11:30:00Z",
		"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31 15:04": "2026-01-31T15:04:00Z", "2026-01-31T15:04": "2026-01-31T15:04:00Z", "2026-01-31T15:04:05+01:00": "2026-01-31T14:04:05Z"} {
		got, err := moment(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%s is %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "-2d", "1d-1h", "infd", "1e9d", "0x10d", "2026-13-01", "NaNd", "1e400d"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestTheNearestWordIsNamed(t *testing.T) {
	known := []string{"start", "status", "stop", "sync"}
	for word, want := range map[string]string{"stauts": "status", "stat": "status", "snyc": "sync", "zzz": "", "": "", "STATUS": "status", "SNYC": "sync"} {
		if got := nearest(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{1500 * time.Millisecond: "1 s", 90 * time.Second: "1 min", 36 * time.Hour: "36 h 0 min", 72 * time.Hour: "3 days"} {
		if got := short(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestLinesAreBrokenBetweenWordsAndLoseNothing(t *testing.T) {
	text := "\x1b[31merror:\x1b[0m one two three four  five"
	for columns, want := range map[int]string{0: text, 80: text, 14: "\x1b[31merror:\x1b[0m one two\n  three four\n  five", 1: "\x1b[31merror:\x1b[0m\n  one\n  two\n  three\n  four\n  five"} {
		if got := strings.Join(wrap(text, "  ", columns), "\n"); got != want {
			t.Errorf("%d: %q, want %q", columns, got, want)
		}
	}
	if got := wrap(strings.Repeat("x", 50), "  ", 20); len(got) != 1 {
		t.Errorf("a word is broken: %q", got)
	}
}

func TestCellsThatDoNotFitStandBelow(t *testing.T) {
	for columns, want := range map[int]string{0: "[false false false false]", 64: "[false false false false]", 40: "[false false true false]", 12: "[false true true true]"} {
		if got := fmt.Sprint(breaks([]int{10, 20, 7, 300}, columns)); got != want {
			t.Errorf("%d: %s, want %s", columns, got, want)
		}
	}
}

// The service may end before it can be asked whose task it was.
func TestATaskWithoutANameIsStillAnEvent(t *testing.T) {
	e := status.Happening{Event: "task_finished", Task: 7, Fields: map[string]any{"state": "failed", "message": "why"}}
	if got := eventText(e); got != "task 7 ended: failed: why" {
		t.Error(got)
	}
	if e.Kind, e.Backend = "verify", "nas"; eventText(e) != "task 7 (verify nas) ended: failed: why" {
		t.Error(eventText(e))
	}
}

func TestWhatTookLittleTimeTookSome(t *testing.T) {
	for ms, want := range map[float64]string{0: "0.0 ms", 0.04: "< 0.1 ms", 0.1: "0.1 ms", 12.34: "12.3 ms"} {
		if got := millis(ms); got != want {
			t.Errorf("%v: %s, want %s", ms, got, want)
		}
	}
}
