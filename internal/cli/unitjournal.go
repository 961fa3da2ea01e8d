package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shownLines is how much of the unit's journal is shown when a start failed: the last lines say why.
const shownLines = 15

// journalLine is a line of the journal as journalctl writes it.
type journalLine struct {
	Cursor string `json:"__CURSOR"`
	// Message is a text, or a list of bytes where it is none.
	Message json.RawMessage `json:"MESSAGE"`
	// These name the start that a line is of: its own lines, and those of a user's and the system's manager about it.
	Own  string `json:"_SYSTEMD_INVOCATION_ID"`
	User string `json:"USER_INVOCATION_ID"`
	Root string `json:"INVOCATION_ID"`
	// ID is the kind of the line, where it has one.
	ID string `json:"MESSAGE_ID"`
}

// systemAccount is the one that the system's unit runs as.
const systemAccount = "ipfs-kit"

// startFailed is the kind of the last line that a manager writes of a start that failed.
const startFailed = "be02cf6855d2428ba40df7e9d022f03d"

const (
	// lateLines is how long the journal may take to have the lines of what ended just now.
	lateLines = 3 * time.Second
	// quietLines is how long none comes after the last one.
	quietLines = 50 * time.Millisecond
)

// text is the message.
func (l journalLine) text() string {
	var text string
	if json.Unmarshal(l.Message, &text) == nil {
		return text
	}
	var raw []byte
	if json.Unmarshal(l.Message, &raw) != nil {
		return ""
	}
	return string(raw)
}

// journal reads lines, as the arguments select them.
func (u unit) journal(ctx context.Context, args ...string) (lines []journalLine, err error) {
	out, err := u.command(ctx, "journalctl", append([]string{"--no-pager", "-q", "-a", "-o", "json",
		"--output-fields=MESSAGE,MESSAGE_ID,_SYSTEMD_INVOCATION_ID,USER_INVOCATION_ID,INVOCATION_ID"}, args...)...).Output()
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(out) {
		var l journalLine
		if json.Unmarshal(line, &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// matches select the lines of the unit, and of its manager about it, that have all of some more fields. Those of a
// process that ended before the journal looked whose it was name no unit: they have its program's name and account alone.
func (u unit) matches(fields ...string) []string {
	own, about, uid := "_SYSTEMD_USER_UNIT=", "USER_UNIT=", strconv.Itoa(os.Getuid())
	if u.system {
		own, about, uid = "_SYSTEMD_UNIT=", "UNIT=", ""
		if account, err := user.Lookup(systemAccount); err == nil {
			uid = account.Uid
		}
	}
	args := append([]string{own + unitName}, fields...)
	args = append(append(args, "+", about+unitName), fields...)
	if uid != "" {
		args = append(append(args, "+", "SYSLOG_IDENTIFIER="+program, "_UID="+uid), fields...)
	}
	return args
}

// lastLine is the place of the last line of the journal; nil where that can't be told, and empty where there is none.
func (u unit) lastLine(ctx context.Context) *string {
	lines, err := u.journal(ctx, "-n", "1")
	if err != nil {
		return nil
	}
	cursor := ""
	for _, l := range lines {
		cursor = l.Cursor
	}
	return &cursor
}

// wroteSince is the end of what the unit, and its manager about it, wrote of the first start
// after a place in the journal, which failed.
func (u unit) wroteSince(ctx context.Context, place *string) string {
	if place == nil {
		return ""
	}
	args := u.matches()
	if *place != "" {
		args = append(args, "--after-cursor="+*place)
	}
	u.awaitEnd(ctx, args)
	lines, err := u.journal(ctx, args...)
	if err != nil {
		return ""
	}
	return endOfStart(ofFirstStart(lines))
}

// awaitEnd waits until the journal has the manager's last line of a start that failed and the unit's own, which
// go another way and may come later; not longer than lateLines: there may be none.
func (u unit) awaitEnd(ctx context.Context, args []string) {
	ctx, cancel := context.WithTimeout(ctx, lateLines)
	defer cancel()
	cmd := u.command(ctx, "journalctl", append([]string{"--follow", "--no-tail", "-q", "-o", "json",
		"--output-fields=MESSAGE_ID,USER_INVOCATION_ID,INVOCATION_ID"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	lines := make(chan journalLine)
	go func() {
		defer close(lines)
		for d := json.NewDecoder(out); ; {
			var l journalLine
			if d.Decode(&l) != nil {
				return
			}
			lines <- l
		}
	}()
	u.untilQuiet(lines)
	cancel()
	for range lines { //nolint:revive // until the reader ended
	}
	cmd.Wait() //nolint:errcheck // it was ended by us, or its lines are read without it
}

// untilQuiet waits until both kinds of lines came, and then no more.
func (u unit) untilQuiet(lines <-chan journalLine) {
	failed, own := false, false
	quiet := u.clk.NewTimer(lateLines)
	defer quiet.Stop()
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				return
			}
			failed = failed || l.ID == startFailed
			own = own || l.User == "" && l.Root == ""
			if failed && own {
				quiet.Reset(quietLines)
			}
		case <-quiet.C:
			return
		}
	}
}

// ofFirstStart are the lines of the first start that a manager tells of among them: where the manager tries
// again at once, the lines of the next start are no reason for this one's end. Where it tells of none, all lines count.
func ofFirstStart(lines []journalLine) []journalLine {
	start := ""
	for _, l := range lines {
		start = cmp.Or(start, l.User, l.Root)
	}
	return slices.DeleteFunc(lines, func(l journalLine) bool {
		of := cmp.Or(l.User, l.Root, l.Own)
		return start != "" && of != "" && of != start
	})
}

// endOfStart is the text of the last lines of a start.
func endOfStart(lines []journalLine) string {
	var texts []string
	for _, l := range lines[max(0, len(lines)-shownLines):] {
		texts = append(texts, l.text())
	}
	return strings.TrimSpace(strings.Join(texts, "\n"))
}
