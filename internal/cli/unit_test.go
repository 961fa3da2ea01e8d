package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/clock"
)

func TestWhyTheUnitEndedLastIsSaidInWords(t *testing.T) {
	for _, c := range []struct {
		state unitState
		says  string
	}{
		{nil, ""},
		{unitState{"LoadState": "not-found"}, ""},
		{unitState{"LoadState": "masked", "ActiveState": "inactive"}, "its unit is masked, so that nothing starts it"},
		{unitState{"LoadState": "loaded", "ActiveState": "inactive", "Result": "success"}, "its last end was a clean one, or it was not started yet"},
		{unitState{"LoadState": "loaded", "ActiveState": "activating", "SubState": "start", "Result": "success"}, "it is being started"},
		{unitState{"LoadState": "loaded", "ActiveState": "activating", "SubState": "start", "Result": "exit-code", "ExecMainStatus": "1"}, "it is being started"},
		{unitState{"LoadState": "loaded", "ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "ExecMainStatus": "2"}, "it ended last with status 2, and is started again in a moment"},
		{unitState{"LoadState": "loaded", "ActiveState": "activating", "SubState": "auto-restart", "Result": "signal", "ExecMainStatus": "9"}, "it ended last by signal (status 9), and is started again in a moment"},
		{unitState{"LoadState": "loaded", "ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "ExecMainStatus": "75"}, "it ended itself to be started again: a folder appeared that its sandbox held read-only"},
		{unitState{"LoadState": "loaded", "ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}, "its configuration is wrong (status 78)"},
		{unitState{"LoadState": "loaded", "ActiveState": "failed", "Result": "watchdog", "ExecMainStatus": "6"}, "it ended last by watchdog (status 6)"},
	} {
		if got := c.state.lastEnd(); got != c.says {
			t.Errorf("%v: %q, want %q", c.state, got, c.says)
		}
	}
}

func TestTheEndOfALogIsCutBetweenLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	long := strings.Repeat("a line of an earlier start\n", 1000)
	this := strings.Repeat("ü a line of this start\n", 1000)
	if err := os.WriteFile(path, []byte(long+this+"the reason\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := tail(path, int64(len(long)))
	if !strings.HasPrefix(got, "ü a line") || !strings.HasSuffix(got, "\nthe reason") || len(got) > tailBytes {
		t.Errorf("%q…%q", got[:30], got[len(got)-30:])
	}
	if got := tail(path, int64(len(long+this))); got != "the reason" {
		t.Errorf("%q", got)
	}
}

func TestOfAFailedStartTheEndOfItsOwnLinesIsShown(t *testing.T) {
	line := func(field, start, text string) (l journalLine) {
		data, err := json.Marshal(map[string]any{field: start, "MESSAGE": text})
		if err != nil || json.Unmarshal(data, &l) != nil {
			t.Fatal(err)
		}
		return l
	}
	lines := []journalLine{line("USER_INVOCATION_ID", "a", "Starting"), line("_SYSTEMD_INVOCATION_ID", "a", "1")}
	for n := 2; n <= 30; n++ {
		lines = append(lines, line("_SYSTEMD_INVOCATION_ID", "a", strconv.Itoa(n)))
	}
	raw := journalLine{Message: json.RawMessage("[104, 255, 111]")}
	lines = append(lines, raw, line("USER_INVOCATION_ID", "a", "Failed"), line("USER_INVOCATION_ID", "b", "Starting"), line("_SYSTEMD_INVOCATION_ID", "b", "other"))
	got := strings.Split(endOfStart(ofFirstStart(lines)), "\n")
	if len(got) != shownLines || got[0] != "18" || got[13] != "h\xffo" || got[14] != "Failed" {
		t.Errorf("%q", got)
	}
	if got := endOfStart(ofFirstStart([]journalLine{line("_SYSTEMD_INVOCATION_ID", "a", "the reason")})); got != "the reason" {
		t.Errorf("without a line of the manager's: %q", got)
	}
	if got := endOfStart(nil); got != "" {
		t.Errorf("%q", got)
	}
}

// wroteIn is what the unit wrote by a journalctl that is faked by a script in a folder: real ones can't be made late.
func wroteIn(t *testing.T, bin, script string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BIN", bin)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	place := ""
	return (unit{environ: os.Environ(), clk: clock.System}).wroteSince(t.Context(), &place)
}

// The journal says itself when the last line is there: it is not asked again and again.
func TestTheLastLineOfAFailedStartIsHeardOf(t *testing.T) {
	for name, follow := range map[string]string{
		"it comes":      `echo '{"MESSAGE_ID":"x"}'; echo '{"MESSAGE_ID":"` + startFailed + `"}'; exec sleep 600`,
		"none comes":    "exec sleep 600",
		"no new option": "exit 1",
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			script := `#!/bin/sh
case "$*" in *--follow*) ` + follow + ` ;; esac
echo x >>"$BIN/looks"
echo '{"MESSAGE":"the reason"}'
`
			if got := wroteIn(t, bin, script); got != "the reason" {
				t.Errorf("%q", got)
			}
			if looks, err := os.ReadFile(filepath.Join(bin, "looks")); err != nil || string(looks) != "x\n" {
				t.Errorf("looked at it: %q %v", looks, err)
			}
		})
	}
}

// What a unit writes, and what its manager writes about it, go two ways: the first may come to the journal later.
func TestOwnLinesThatComeAfterTheManagersAreWaitedFor(t *testing.T) {
	script := `#!/bin/sh
cd "$BIN"
case "$*" in *--follow*) ;; *) exec cat lines ;; esac
line() { echo "$1" >>lines; echo "$1"; }
line '{"__CURSOR":"1","MESSAGE":"Failed to start","USER_INVOCATION_ID":"a","MESSAGE_ID":"` + startFailed + `"}'
sleep 0.3
line '{"__CURSOR":"2","MESSAGE":"trouble","_SYSTEMD_INVOCATION_ID":"a"}'
line '{"__CURSOR":"3","MESSAGE":"the reason","_SYSTEMD_INVOCATION_ID":"a"}'
exec sleep 600
`
	if got := wroteIn(t, t.TempDir(), script); got != "Failed to start\ntrouble\nthe reason" {
		t.Errorf("%q", got)
	}
}

// What a process wrote just before it ended names no unit; its program and account say whose it is.
func TestLinesOfTheUnitAreThoseOfItsAccountToo(t *testing.T) {
	uid := strconv.Itoa(os.Getuid())
	want := []string{"_SYSTEMD_USER_UNIT=" + unitName, "BACKEND=nas", "+", "USER_UNIT=" + unitName, "BACKEND=nas", "+", "SYSLOG_IDENTIFIER=" + program, "_UID=" + uid, "BACKEND=nas"}
	if got := (unit{}).matches("BACKEND=nas"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
