package status

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/human"
)

// Severities of issues and alerts, the pressing first.
const (
	SeverityCritical = "critical" // nothing works
	SeverityError    = "error"    // something does not work
	SeverityWarning  = "warning"  // it works, and may soon not
	// SeverityInfo is worth knowing and nothing is wrong.
	SeverityInfo = "info"
)

// severities is their order.
var severities = []string{SeverityCritical, SeverityError, SeverityWarning, SeverityInfo}

// overdueBackup is how long a bucket may be without a backup before that is wrong and not just due.
const overdueBackup = 24 * time.Hour

type healthDoc struct {
	// True where no issue is worse than info.
	Healthy bool `json:"healthy"`
	// As in status: starting, waiting, running, degraded, paused or stopping.
	State string `json:"state"`
	// Why the service is in that state, in one line; empty while running and stopping.
	StateReason string `json:"state_reason"`
	// How many issues there are, also where the list is cut.
	IssueCount int `json:"issue_count"`
	// How many issues there are by severity: critical, error, warning, info; one with none is absent.
	BySeverity map[string]int `json:"by_severity"`
	// What is wrong or worth knowing, the worst first; at most 100.
	Issues []issue `json:"issues"`
	// True where issues is cut; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
	// How many backends work; as in status.
	Backends healthSummary `json:"backend_health_summary"`
	// Backends that were never checked.
	Unknown uint64 `json:"unknown_backends"`
}

// issue is one thing to know: what is so, why, and what to do.
type issue struct {
	// critical, error, warning or info (worth knowing, and nothing is wrong).
	Severity string `json:"severity"`
	// Stable word for the kind of issue, such as backend-unhealthy.
	Code string `json:"code"`
	// The backend that it is about; null for the service, a worker or the home.
	Backend *string `json:"backend"`
	// What is so, in one line.
	What string `json:"what"`
	// Why it is so, as far as that is known; else empty.
	Why string `json:"why"`
	// What to do about it: a command, or what to change.
	Recommendation string `json:"recommendation"`
	// Since when it is so, or when that was seen last: the mark's, the check's or the worker's time; null where that
	// is not known.
	Since *string `json:"since"`
}

// HealthDocument is what `health --json` prints. It is healthy where no issue is worse than info.
func HealthDocument(f Facts) ([]byte, error) {
	all := slices.Concat(serviceIssues(f), backendIssues(f), homeIssues(f))
	slices.SortStableFunc(all, func(a, b issue) int {
		return cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity))
	})
	d := healthDoc{Healthy: true, State: f.Manager.State, StateReason: f.Manager.StateReason, IssueCount: len(all),
		BySeverity: map[string]int{}, Backends: healthSummary{f.Healthy, f.Monitored, float(f.Manager.HealthPercent)}}
	if f.Manager.Backends > f.Monitored {
		d.Unknown = f.Manager.Backends - f.Monitored
	}
	for _, i := range all {
		d.BySeverity[i.Severity]++
		d.Healthy = d.Healthy && i.Severity == SeverityInfo
	}
	d.Issues, d.Truncated = list(all, false)
	return marshal("health", d)
}

func serviceIssues(f Facts) []issue {
	m := f.Manager
	var out []issue
	switch m.State {
	case StateDegraded:
		out = append(out, issue{SeverityError, "service-degraded", nil, "the service works only in part", m.StateReason,
			"mend that; more: ipfs-kit-intelligent logs -n 50", nil})
	case StateWaiting:
		out = append(out, waitingIssue(m))
	case StatePaused:
		out = append(out, issue{SeverityInfo, "paused", nil, "the service is paused: nothing is synced", m.StateReason,
			"ipfs-kit-intelligent resume", nil})
	}
	for _, w := range f.Workers {
		if !w.Healthy {
			out = append(out, issue{SeverityError, "worker-unhealthy", nil,
				fmt.Sprintf("worker %s is %s, after %s", w.Name, w.State, human.Count(w.Restarts, "restart", "restarts")), w.LastError,
				"it is replaced by itself; if it does not heal: ipfs-kit-intelligent restart", isoTime(w.LastBeat)})
		}
	}
	for _, a := range m.Alerts {
		sev := a.Severity
		if !slices.Contains(severities, sev) {
			sev = SeverityWarning
		}
		out = append(out, issue{sev, a.Code, nil, a.Title, "an alert stands", "ipfs-kit-intelligent status --detailed", isoTime(a.Since)})
	}
	return out
}

// waitingIssue is about a home that is not there, or that is there and can't be served. It comes before what is
// known of backends since, of which nothing can be mended meanwhile.
func waitingIssue(m Manager) issue {
	switch {
	case m.StateReason != HomeAbsent:
		return issue{SeverityCritical, "home-unusable", nil, "the home " + m.Home + " can't be served", m.StateReason,
			"mend that; it is tried again by itself, or now: ipfs-kit-intelligent restart", nil}
	case m.Backends > 0:
		return issue{SeverityCritical, "no-home", nil, "the home " + m.Home + " went away", m.StateReason,
			"mount its disk, or put it back; all goes on by itself then", nil}
	}
	return issue{SeverityWarning, "no-home", nil, "the service waits for the home " + m.Home, m.StateReason,
		"make it, with ipfs_kit or by mkdir " + human.Shell(m.Home) + "; mount its disk; or set IPFS_KIT_HOME for the service", nil}
}

func backendIssues(f Facts) []issue {
	var out []issue
	for _, b := range f.Backends {
		out = append(append(out, ofHealth(b, f.Manager.Home)...), ofMark(b)...)
	}
	return out
}

// issueOf is one of a backend.
func issueOf(b Backend, severity, code, what, why, mend string, since time.Time) []issue {
	name := b.Name // and no more of it is kept
	return []issue{{severity, code, &name, what, why, mend, isoTime(since)}}
}

// ofHealth says what is wrong with a backend itself; nothing where it works or nobody looked yet.
func ofHealth(b Backend, home string) []issue {
	if b.Health == HealthHealthy || b.Health == HealthUnknown {
		return nil
	}
	what, typed := "backend "+b.Name, human.Argument(b.Name)
	switch {
	case b.Health == HealthMisconfigured:
		mend := "mend " + orText(b.ConfigFile, "its configuration") + ", which is read at once; more: ipfs-kit-intelligent explain " + typed
		what += " can't be used as it is configured"
		if b.Dirty {
			what, mend = what+", and is dirty", mend+"; or give its actions up: ipfs-kit-intelligent dismiss "+typed
		}
		return issueOf(b, SeverityError, "backend-misconfigured", what, b.LastError, mend, b.DirtySince)
	case b.Health == HealthUnhealthy && b.ErrorCount == 0 && !b.LastCheck.IsZero():
		return issueOf(b, SeverityWarning, "backend-unhealthy", what+" failed, and its last check went well", "it is healthy again after some in a row",
			"wait, or now: ipfs-kit-intelligent check "+typed, b.LastCheck)
	case b.Health == HealthUnhealthy:
		return issueOf(b, SeverityError, "backend-unhealthy", what+" can't be used now", b.LastError, whenMended(b, home), b.LastCheck)
	case b.Health == HealthDegraded && b.ErrorCount > 0:
		return issueOf(b, SeverityWarning, "backend-degraded", what+" failed, and counts as unhealthy if it goes on", b.LastError, whenMended(b, home), b.LastCheck)
	case b.Health == HealthDegraded:
		return issueOf(b, SeverityWarning, "backend-degraded", what+" works, but not well", b.LastError, whenMended(b, home), b.LastCheck)
	}
	return nil
}

// ofMark says what a dirty backend waits for; nothing where it is clean, or its configuration is all that it waits for.
func ofMark(b Backend) []issue {
	if !b.Dirty && b.Blocked == "" || b.Health == HealthMisconfigured {
		return nil
	}
	what, sync := "backend "+b.Name, "ipfs-kit-intelligent sync --backend "+human.Shell(b.Name)
	waits := what + " has a mark that names no actions"
	if b.PendingActions > 0 {
		waits = fmt.Sprintf("%s has unsynced actions: %d", what, b.PendingActions)
	}
	switch {
	case b.Blocked != "" && !WantsContent(b.Blocked):
		return issueOf(b, SeverityWarning, "backend-blocked", what+" is dirty, and its sync waits for a person", b.Blocked,
			MendBlocked(b.Name, b.Blocked), b.DirtySince)
	case b.Blocked != "":
		return issueOf(b, SeverityWarning, "backend-blocked", what+" is dirty and waits for something that is not here", b.Blocked,
			"see what: ipfs-kit-intelligent sync --dry-run --backend "+human.Shell(b.Name)+"; provide it, or give the actions up: ipfs-kit-intelligent dismiss "+human.Argument(b.Name), b.DirtySince)
	case b.Paused:
		return issueOf(b, SeverityInfo, "backend-dirty", waits, "it is paused",
			"when they are to be done: ipfs-kit-intelligent resume "+human.Argument(b.Name)+"; where its configuration says paused: true, take that away", b.DirtySince)
	case b.LastError != "" && (b.Health == HealthHealthy || b.Health == HealthUnknown):
		return issueOf(b, SeverityWarning, "backend-dirty", what+" could not be synced, its mark stands", b.LastError,
			"mend that; it is tried again by itself, or now: "+sync, b.DirtySince)
	case b.LastError != "":
		return issueOf(b, SeverityInfo, "backend-dirty", waits, "it waits until the backend works", "mend the backend; its sync comes by itself then", b.DirtySince)
	}
	return issueOf(b, SeverityInfo, "backend-dirty", waits, "its turn comes", "wait, or now: "+sync, b.DirtySince)
}

// whenMended is what to do about a backend that does not work: the reason has a hint of its own. One whose file was
// removed lives on in the registry, and who removed it wants it gone.
func whenMended(b Backend, home string) string {
	first, last := "mend that", ""
	switch {
	case b.ConfigFile == "":
		last = "; or, if there is no such backend any more: echo 'enabled: false' >" + human.Shell(filepath.Join(home, "backends", b.Name+".yaml"))
	case !b.Filesystem:
		first += ", or its address and credentials in " + b.ConfigFile
	}
	return first + "; it is tried again by itself, or now: ipfs-kit-intelligent check " + human.Argument(b.Name) + last
}

func homeIssues(f Facts) []issue {
	var out []issue
	for _, p := range f.Problems {
		if slices.ContainsFunc(f.Backends, func(b Backend) bool { return b.Health == HealthMisconfigured && strings.Contains(b.LastError, p.Error) }) {
			continue // it is a backend's configuration, and was told as that
		}
		file := filepath.Join(f.Manager.Home, p.File)
		out = append(out, issue{SeverityError, "file-unreadable", nil, file + " can't be read", p.Error,
			"see what is in it: ipfs-kit-intelligent inspect " + human.Shell(file) + "; " + p.Mend, nil})
	}
	due, overdue := 0, 0
	for _, b := range f.Buckets {
		if !needsBackup(f, b) {
			continue
		}
		since := b.LastBackup
		if f.Manager.Started.After(since) {
			since = f.Manager.Started // before, nobody was here to make one
		}
		if f.Now.Sub(since) > overdueBackup {
			overdue++
		} else {
			due++
		}
	}
	overdueWhy, overdueMend := "no filesystem backend took one", "see that a filesystem backend is healthy, then ipfs-kit-intelligent backup"
	dueWhy, dueMend := "their last one is older than the interval", "wait, or now: ipfs-kit-intelligent backup"
	if f.Manager.FilesystemBackends == 0 {
		overdueWhy, overdueMend = "backups go to filesystem backends, and there is none", "configure one: backends/NAME.yaml in the home, with type: filesystem and storage_path: /its/folder"
		dueWhy, dueMend = overdueWhy, overdueMend
	}
	if overdue > 0 {
		out = append(out, issue{SeverityWarning, "backup-overdue", nil, human.Count(overdue, "bucket", "buckets") + " had no backup for a day or longer", overdueWhy, overdueMend, nil})
	}
	if due > 0 {
		out = append(out, issue{SeverityInfo, "backup-due", nil, human.Count(due, "bucket needs a backup", "buckets need a backup"), dueWhy, dueMend, nil})
	}
	if f.Unwatched > 0 {
		out = append(out, issue{SeverityInfo, "unwatched", nil, human.Count(f.Unwatched, "folder is", "folders are") + " looked at in intervals instead of watched",
			"the kernel watches no more for this user", "raise the limit that this names: ipfs-kit-intelligent doctor", nil})
	}
	return out
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
