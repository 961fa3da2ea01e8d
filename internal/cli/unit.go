package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// unitName is the service's unit, both of users and of the system.
const unitName = "ipfs-kit-intelligent.service"

// unit is the service manager's side of the service.
type unit struct {
	system  bool
	environ []string
}

func (a *app) unit() unit {
	return unit{system: a.onSystem(), environ: a.env.Environ}
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

// properties asks the manager; empty where there is none.
func (u unit) properties(ctx context.Context) map[string]string {
	out, err := u.command(ctx, "systemctl", "show", "-p", "LoadState,ActiveState,SubState,Result,ExecMainStatus,MainPID", unitName).Output()
	if err != nil {
		return nil
	}
	p := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			p[k] = v
		}
	}
	return p
}

// exists says that there is a manager, and that it knows the unit.
func (u unit) exists(ctx context.Context) bool { return u.properties(ctx)["LoadState"] == "loaded" }

// active says that the manager runs it, or is about to.
func (u unit) active(ctx context.Context) bool {
	switch u.properties(ctx)["ActiveState"] {
	case "active", "activating", "reloading", "deactivating":
		return true
	}
	return false
}

// starting says that the manager starts it, and whether it does so again because it ended.
func (u unit) starting(ctx context.Context) (now, again bool) {
	p := u.properties(ctx)
	return p["ActiveState"] == "activating", p["SubState"] == "auto-restart"
}

// mainPID is the unit's process, "0" or empty without one.
func (u unit) mainPID(ctx context.Context) string { return u.properties(ctx)["MainPID"] }

// misconfigured says that it ended last because its configuration is wrong.
func (u unit) misconfigured(ctx context.Context) bool {
	p := u.properties(ctx)
	return p["Result"] == "exit-code" && p["ExecMainStatus"] == fmt.Sprint(ExitConfig)
}

// lastEnd says in words why it ended last; empty where nothing is known.
func (u unit) lastEnd(ctx context.Context) string {
	p := u.properties(ctx)
	if p["LoadState"] != "loaded" {
		return ""
	}
	again := ""
	if p["SubState"] == "auto-restart" {
		again = ", and is started again in a moment"
	}
	switch result := p["Result"]; {
	case p["ActiveState"] == "activating" && again == "":
		return "it is being started"
	case result == "success" || result == "":
		return "its last end was a clean one, or it was not started yet"
	case result == "exit-code" && p["ExecMainStatus"] == "78":
		return "its configuration is wrong (status 78)"
	case result == "exit-code" && p["ExecMainStatus"] == "75":
		return "it ended itself to be started again: a folder appeared that its sandbox held read-only"
	case result == "exit-code":
		return "it ended last with status " + p["ExecMainStatus"] + again
	default:
		return fmt.Sprintf("it ended last by %s (status %s)%s", result, p["ExecMainStatus"], again)
	}
}

// needsRoot is what systemctl says to those who may not.
const needsRoot = "Interactive authentication required"

// cursor is the place of the unit's last line in the journal, empty where it has none.
func (u unit) cursor(ctx context.Context) string {
	out, err := u.command(ctx, "journalctl", "-u", unitName, "-n", "1", "--no-pager", "-q", "-o", "json", "--output-fields=__CURSOR").Output()
	var line struct {
		Cursor string `json:"__CURSOR"`
	}
	if err != nil || json.Unmarshal(bytes.TrimSpace(out), &line) != nil {
		return ""
	}
	return line.Cursor
}

// systemctl runs a verb; an error has what systemctl said and what the unit has written since.
func (u unit) systemctl(ctx context.Context, verb string) error {
	cmd := u.command(ctx, "systemctl", verb, unitName)
	var said bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &said
	before := u.cursor(ctx)
	err := cmd.Run()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(said.String())
	if lines, jerr := u.command(ctx, "journalctl", "-u", unitName, "-n", "15", "--no-pager", "-q", "-o", "cat", "--after-cursor="+before).Output(); jerr == nil {
		text = strings.TrimSpace(text + "\n" + strings.TrimSpace(string(lines)))
	}
	if strings.Contains(text, needsRoot) {
		return &fault{code: ExitFailed, err: fmt.Errorf("systemctl %s %s: %s", verb, unitName, needsRoot), next: "as root: sudo " + program + " --system " + verb}
	}
	return fmt.Errorf("systemctl %s %s: %w\n%s", verb, unitName, err, text)
}
