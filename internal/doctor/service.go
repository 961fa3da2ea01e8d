package doctor

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/systemd"
)

// running says that no service runs, and why it ended last, or that it does not answer.
func (v *visit) running(context.Context) {
	if v.Service != nil {
		return
	}
	program, start := "ipfs-kit-intelligent", "ipfs-kit-intelligent start --detach"
	if v.System {
		program, start = "ipfs-kit-intelligent --system", "as root: systemctl start "+systemd.Unit
	}
	journal := program + " logs -n 30" // the log of a service in the background is no unit's
	why := v.LastEnd
	if v.Silent {
		v.add("service-silent", status.SeverityError, "", "the service is there and does not answer", why,
			program+" restart; where it comes again: "+journal)
		return
	}
	if why == "" {
		why = "nobody started it"
	}
	v.add("service-not-running", status.SeverityError, "", "the service does not run, or can't be reached from here", why,
		start+"; what it said last: "+journal)
}

// sameService holds the service that runs against this program: home and version.
func (v *visit) sameService(ctx context.Context) {
	if v.Service == nil {
		return
	}
	m := v.Service.Manager
	if m.Home != "" && !v.System && m.Home != v.Paths.Home && v.realPath(ctx, m.Home) != v.realPath(ctx, v.Paths.Home) {
		v.add("other-home", status.SeverityError, "", "the service serves the home "+m.Home+", and yours is "+v.Paths.Home,
			"IPFS_KIT_HOME is set in one of the two alone", "IPFS_KIT_HOME="+m.Home+" here; or in the unit: systemctl --user edit "+unitName)
	}
	if m.Version != v.Version {
		v.add("other-version", status.SeverityWarning, "", "the service that runs is version "+m.Version+", and this program is "+v.Version,
			"it was updated and not started again, or two are installed", "ipfs-kit-intelligent restart; which -a ipfs-kit-intelligent")
	}
}

// realPath resolves links where it can.
func (v *visit) realPath(ctx context.Context, path string) string {
	real, err := bounded(ctx, v.Clock, v.Probe, "resolve "+path, func() (string, error) { return filepath.EvalSymlinks(path) })
	if err != nil {
		return filepath.Clean(path)
	}
	return real
}

// beside are the codes of what a backend can have whether it works or not: they are the cause of no other issue.
var beside = []string{"content-without-source", "layouts-differ", "shared-root", "shared-node"}

// issues adds what the service itself knows, save what was found here with more of its cause.
func (v *visit) issues(context.Context) {
	if v.Service == nil {
		return
	}
	found := v.said()
	for _, i := range v.Service.Issues {
		// A configuration that the service may not read, root may: nothing that was found here is about that.
		forbidden := i.Code == "backend-misconfigured" && strings.Contains(i.Why, "permission denied")
		if i.Code == "backend-blocked" || slices.ContainsFunc(found, func(f status.Finding) bool {
			if i.Subject == "" {
				return f.Code == i.Code || i.Code == "home-unusable" && f.Code == "home-unreadable"
			}
			return f.Subject == i.Subject && f.Severity != status.SeverityInfo && (f.Code == i.Code || !forbidden && !slices.Contains(beside, f.Code))
		}) {
			continue
		}
		v.add(i.Code, i.Severity, i.Subject, i.What, i.Why, i.Mend)
	}
}
