package cli

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

// unitName is the service's unit, both of users and of the system.
const unitName = "ipfs-kit-intelligent.service"

// unit is the service manager's side of the service.
type unit struct {
	system  bool
	environ []string
	clk     clock.Clock
}

func (a *app) unit() unit {
	return unit{system: a.onSystem(), environ: a.env.Environ, clk: a.clk}
}

// command is a call of systemctl or journalctl for this unit's manager.
func (u unit) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	if !u.system {
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = u.environ
	return cmd
}

// unitState is what the manager says of the unit at one moment; empty where there is no manager.
type unitState map[string]string

// state asks the manager.
func (u unit) state(ctx context.Context) unitState {
	cmd := u.command(ctx, "systemctl", "show", "-p", "LoadState,ActiveState,SubState,Result,ExecMainStatus,MainPID,ExecMainExitTimestamp", unitName)
	cmd.Env = append(slices.Clip(cmd.Environ()), "TZ=UTC") // for the times
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	s := unitState{}
	for line := range strings.Lines(string(out)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			s[k] = v
		}
	}
	return s
}

// loaded says that there is a manager, and that it knows the unit.
func (s unitState) loaded() bool { return s["LoadState"] == "loaded" }

// masked says that somebody forbade the manager to start it.
func (s unitState) masked() bool { return s["LoadState"] == "masked" }

// typed is how a person has the manager do something with the unit.
func (u unit) typed(verb string) string {
	if u.system {
		return "sudo systemctl " + verb + " " + unitName
	}
	return "systemctl --user " + verb + " " + unitName
}

// active says that the manager runs it, or is about to.
func (s unitState) active() bool {
	switch s["ActiveState"] {
	case "active", "activating", "reloading", "deactivating":
		return true
	}
	return false
}

// starting says that the manager starts it for the first time since a person's word.
func (s unitState) starting() bool { return s["ActiveState"] == "activating" && !s.again() }

// again says that it ended, and that the manager starts it again in a moment.
func (s unitState) again() bool { return s["SubState"] == "auto-restart" }

// mainPID is the unit's process, "0" or empty without one.
func (s unitState) mainPID() string { return s["MainPID"] }

// endedAt is when its process ended last, to the second; zero where that is not known.
func (s unitState) endedAt() time.Time {
	t, err := time.Parse("Mon 2006-01-02 15:04:05 MST", s["ExecMainExitTimestamp"])
	if err != nil {
		return time.Time{}
	}
	return t
}

// ended says that it ended last with a status of its own.
func (s unitState) ended(status int) bool {
	return s["Result"] == "exit-code" && s["ExecMainStatus"] == strconv.Itoa(status)
}

// lastEnd says in words why it ended last; empty where nothing is known.
func (s unitState) lastEnd() string {
	switch {
	case s.masked():
		return "its unit is masked, so that nothing starts it"
	case !s.loaded():
		return ""
	}
	again := ""
	if s.again() {
		again = ", and is started again in a moment"
	}
	switch result := s["Result"]; {
	case s.starting():
		return "it is being started"
	case result == "success" || result == "":
		return "its last end was a clean one, or it was not started yet"
	case s.ended(ExitConfig):
		return fmt.Sprintf("its configuration is wrong (status %d)", ExitConfig)
	case s.ended(ExitAgain):
		return "it ended itself to be started again: a folder appeared that its sandbox held read-only"
	case result == "exit-code":
		return "it ended last with status " + s["ExecMainStatus"] + again
	default:
		return fmt.Sprintf("it ended last by %s (status %s)%s", result, s["ExecMainStatus"], again)
	}
}

// needsRoot is what systemctl says to those who may not.
const needsRoot = "Interactive authentication required"

// tooOften is what the manager writes where it starts the unit no more for a while.
const tooOften = "Start request repeated too quickly"

// systemctl runs a verb; an error has what systemctl said and what the unit has written since.
func (u unit) systemctl(ctx context.Context, verb string) error {
	cmd := u.command(ctx, "systemctl", verb, unitName)
	var said bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &said
	before := u.lastLine(ctx)
	err := cmd.Run()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(said.String())
	if strings.Contains(text, needsRoot) {
		return &fault{code: ExitFailed, err: fmt.Errorf("systemctl %s %s: %s", verb, unitName, needsRoot), next: "as root: sudo " + program + " --system " + verb}
	}
	text = strings.TrimSpace(text + "\n" + u.wroteSince(ctx, before))
	if strings.Contains(text, tooOften) {
		ours := program
		if u.system {
			ours += " --system"
		}
		return &fault{code: ExitFailed, err: fmt.Errorf("systemctl %s %s: it was started too often in a short time, and each time it ended; the service manager waits a minute", verb, unitName),
			next: "see why it ended: " + ours + " logs -n 50; to start it within that minute: " + u.typed("reset-failed") + " first"}
	}
	return fmt.Errorf("systemctl %s %s: %w\n%s", verb, unitName, err, text)
}
