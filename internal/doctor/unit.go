package doctor

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"ipfskit.org/intelligent/internal/status"
)

const unitName = "ipfs-kit-intelligent.service"

// unitFacts are what the service manager says of the unit.
type unitFacts struct {
	props map[string]string
	// pid of its process, empty while it does not run.
	pid string
}

// askUnit asks the service manager; without one, or without the unit, nothing is known.
func (v *visit) askUnit(ctx context.Context) {
	text, err := v.Systemctl(ctx, "show", "-p",
		"LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,MainPID,Environment,ProtectSystem,ProtectHome,PrivateTmp,ReadWritePaths,BindPaths", unitName)
	if err != nil {
		return
	}
	props := lines(text)
	if props["LoadState"] != "loaded" {
		return
	}
	v.unit = &unitFacts{props: props}
	if pid := props["MainPID"]; pid != "0" {
		v.unit.pid = pid
	}
}

// unitCredentials are the names of those that the unit's files have it given, by
// LoadCredential=NAME:PATH and its like; as properties not every systemd shows them.
func (v *visit) unitCredentials(ctx context.Context) map[string]bool {
	out := map[string]bool{}
	text, err := v.Systemctl(ctx, "cat", unitName)
	if err != nil {
		return out
	}
	for line := range strings.Lines(text) {
		k, val, ok := strings.Cut(strings.TrimSpace(line), "=")
		if name, _, _ := strings.Cut(val, ":"); ok && (strings.HasPrefix(k, "LoadCredential") || strings.HasPrefix(k, "SetCredential")) {
			out[name] = true
		}
	}
	return out
}

// lines reads KEY=VALUE.
func lines(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, val, ok := strings.Cut(strings.TrimRight(line, "\n"), "="); ok {
			out[k] = val
		}
	}
	return out
}

// unitEnvironment is what the service sees: that of its process, else what its manager would give it.
func (v *visit) unitEnvironment(ctx context.Context) map[string]string {
	pid := ""
	switch {
	case v.unit != nil:
		pid = v.unit.pid
	case v.Service != nil:
		pid = fmt.Sprint(v.Service.PID)
	}
	if data, err := os.ReadFile("/proc/" + pid + "/environ"); pid != "" && err == nil {
		return lines(strings.ReplaceAll(string(data), "\x00", "\n"))
	}
	out := map[string]string{}
	if v.unit == nil {
		return out
	}
	if text, err := v.Systemctl(ctx, "show-environment"); err == nil {
		out = lines(text)
	}
	for _, word := range words(v.unit.props["Environment"]) {
		if k, val, ok := strings.Cut(word, "="); ok {
			out[k] = val
		}
	}
	return out
}

// enabled looks whether the unit is started at the next login or boot.
func (v *visit) enabled(context.Context) {
	if v.unit == nil {
		return
	}
	ctl := "systemctl --user "
	if v.System {
		ctl = "sudo systemctl "
	}
	if v.unit.props["UnitFileState"] == "disabled" {
		v.add("unit-not-enabled", status.SeverityWarning, unitName, "the service is not started at the next login or boot", "its unit is disabled", ctl+"enable "+unitName)
	}
	if v.unit.props["NeedDaemonReload"] == "yes" {
		v.add("unit-changed", status.SeverityWarning, unitName, "the unit or a drop-in changed, and the manager has not read it", "it works by the old one", ctl+"daemon-reload && "+ctl+"restart "+unitName)
	}
}

// linger looks whether the service goes on when its user logs out. That is
// logind's to decide, and only where it runs.
func (v *visit) linger(context.Context) {
	if v.System || v.unit == nil {
		return
	}
	if _, err := os.Stat(v.Root + "/run/systemd/seats"); err != nil {
		return
	}
	u, err := user.Current()
	if err != nil {
		return
	}
	if _, err := os.Stat(filepath.Join(v.Root+"/var/lib/systemd/linger", u.Username)); os.IsNotExist(err) {
		v.add("linger-off", status.SeverityWarning, u.Username, "the service ends when "+u.Username+" logs out, and starts at the next login",
			"lingering is off for this user", "loginctl enable-linger "+u.Username)
	}
}
