package status

import (
	"bytes"
	"slices"
	"strconv"
)

type statusDoc struct {
	// False only while the service is stopping. Upstream's key.
	Running bool `json:"running"`
	// Whether each of the four workers is healthy, by upstream's names: metadata_reader, dirty_monitor,
	// health_monitor, task_executor; null for one that was never started. Upstream's key.
	ThreadStatus map[string]*bool `json:"thread_status"`
	// What the home says, in numbers and names. Upstream's key.
	MetadataStats metadataStats `json:"metadata_driven_stats"`
	// What runs and waits. Upstream's key.
	Tasks taskManagement `json:"task_management"`
	// All pin mappings together. Upstream's key.
	Pins pinSummary `json:"pin_mapping_summary"`
	// How many backends work. Upstream's key.
	Health healthSummary `json:"backend_health_summary"`
	// How often each thing is looked at though nothing was heard of it. Upstream's key.
	Intervals intervals `json:"intervals"`
	// When a check or work told the health of any backend last, as YYYY-MM-DD HH:MM:SS[.ffffff] in the service's local
	// time; null before the first one of this process. Upstream's key.
	LastCheck *string `json:"last_health_check"`
	// Backends by name, the pressing first: those that need attention, at most 100; those that were named or are in
	// the state asked for; all with --detailed. Upstream's key.
	Details lines `json:"backend_status_details"`
	// How many backends backend_status_details is about, also where it is cut.
	DetailsCount int `json:"backend_status_count"`
	// True where backend_status_details or problems is cut; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
	// The service itself.
	Service serviceDoc `json:"service"`
	// The four workers.
	Workers []workerDoc `json:"workers"`
	// Standing alerts, the pressing first, at most 32; this version raises none.
	Alerts []alertDoc `json:"alerts"`
	// Files of the home that can't be read; at most 100, all with --detailed.
	Problems []problemDoc `json:"problems"`
	// How many files of the home can't be read, also where the list is cut.
	ProblemCount int `json:"problem_count"`
}

// lines stand for backendDetails by name, until StatusDocument fills them in.
type lines struct{}

// names are a list of names, empty until StatusDocument fills it in.
type names []string

// MarshalJSON writes an empty list.
func (names) MarshalJSON() ([]byte, error) { return []byte("[]"), nil }

type metadataStats struct {
	// Distinct buckets of all registries. Upstream's key.
	Buckets uint64 `json:"total_buckets"`
	// Backends that are configured and enabled, listed in the registry, or dirty. Upstream's key.
	Backends uint64 `json:"total_backends"`
	// Names of backends with a mark that stands, in order; at most 100, all with --detailed. Upstream's key.
	Dirty names `json:"dirty_backends"`
	// How many backends are dirty. Upstream's key.
	DirtyCount uint64 `json:"dirty_count"`
	// Names of backends that are unhealthy or misconfigured, in order; at most 100, all with --detailed. Upstream's
	// key.
	Unhealthy names `json:"unhealthy_backends"`
	// How many backends are unhealthy or misconfigured; unknown ones are not counted. Upstream's key.
	UnhealthyCount uint64 `json:"unhealthy_count"`
	// Names of backends of the type filesystem, in order; at most 100, all with --detailed. Upstream's key.
	Filesystem names `json:"filesystem_backends"`
	// How many backends are of the type filesystem.
	FilesystemCount uint64 `json:"filesystem_count"`
	// Names of dirty backends that wait for something that nobody here has (content, or a configuration that can be
	// used), in order; at most 100, all with --detailed.
	Blocked names `json:"blocked_backends"`
	// How many dirty backends are blocked.
	BlockedCount uint64 `json:"blocked_count"`
	// When the registries were read last, in seconds since 1970; 0.0 for never. Upstream's key.
	LastScan float `json:"last_bucket_scan"`
	// Seconds since the registries were read; since 1970 where they never were, as upstream. Upstream's key.
	ScanAge float `json:"bucket_scan_age_seconds"`
	// True where one of the four lists of names is cut, its count is whole; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
}

type taskManagement struct {
	// Tasks that run now. Upstream's key.
	Active uint64 `json:"active_tasks"`
	// Tasks that wait: for their turn, a retry, or what blocks them. Upstream's key.
	Queued uint64 `json:"queued_tasks"`
	// Tasks that ended done or partial since the state database was made. Upstream's key.
	Completed uint64 `json:"completed_tasks"`
	// Tasks that ended failed since the state database was made; a retry that is still to come is no end.
	Failed uint64 `json:"failed_tasks"`
	// Ids of the tasks that run, as texts; at most 100, all with --detailed. Upstream's key.
	ActiveIDs []string `json:"active_task_ids"`
	// The same tasks, whole.
	Running []taskDoc `json:"running"`
	// True where active_task_ids and running are cut, active_tasks is whole; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
}

type pinSummary struct {
	// Rows of all pin mappings. Upstream's key.
	Total int `json:"total_pins"`
	// Backends whose mapping has a row. Upstream's key.
	BackendsWithPins int `json:"backends_with_pins"`
	// Different CIDs in all mappings; too small while index_complete is false. Upstream's key.
	UniqueCIDs int `json:"total_unique_cids"`
	// Mean number of backends that list a CID, to two digits; 0.0 with none. Upstream's key.
	Redundancy float `json:"average_redundancy"`
	// Rows of mappings by their status (stored, pending, failed, and what else upstream wrote). Upstream's key.
	ByStatus map[string]int `json:"status_distribution"`
	// Backends with a row that failed. Upstream's key.
	Failed int `json:"failed_pin_backends"`
	// Backends with a row that is pending. Upstream's key.
	Pending int `json:"pending_pin_backends"`
	// False while total_unique_cids and average_redundancy do not count all mappings yet, after a start with many.
	Complete bool `json:"index_complete"`
}

type healthSummary struct {
	// Backends that are healthy or degraded: they work. Upstream's key.
	Healthy uint64 `json:"healthy_backends"`
	// Backends whose health is known: all but the unknown ones. Upstream's key.
	Monitored uint64 `json:"total_monitored"`
	// healthy_backends of total_monitored in percent, 0 to 100; 0.0 while nothing is known. Upstream's key.
	Percent float `json:"health_percentage"`
}

type intervals struct {
	// The registries are read again after at most so many seconds; 60 by default. Upstream's key.
	BucketScan int64 `json:"bucket_scan_seconds"`
	// All dirty marks are looked at again after at most so many seconds; 15 by default. Upstream's key.
	DirtyCheck int64 `json:"dirty_check_seconds"`
	// Seconds between two looks at which health checks are due; 180 by default. Upstream's key.
	HealthCheck int64 `json:"health_check_seconds"`
	// Always 0: a task runs when it is due, and nothing looks for tasks in intervals. Upstream's key.
	TaskCheck int64 `json:"task_check_seconds"`
	// Seconds between two looks at whether what backups hold has changed; 300. Upstream's key.
	BackupCheck int64 `json:"backup_check_seconds"`
}

type backendDetails struct {
	// Whether it works: health is healthy or degraded. Upstream's key.
	Healthy bool `json:"healthy"`
	// When a check or work told its health last, the registry's time before the first one; null for never. Upstream's
	// key.
	LastCheck *string `json:"last_check"`
	// Milliseconds that a check takes: a mean in which the last sixteen or so count; the registry's figure before the
	// first one, 0.0 for none. Upstream's key.
	ResponseMS float `json:"response_time_ms"`
	// Rows of its pin mapping; the registry's count where it has none. Upstream's key.
	Pins uint64 `json:"pin_count"`
	// Whether it is dirty, or has rows that are pending or failed. Upstream's key.
	NeedsSync bool `json:"needs_sync"`
	// Whether it is a target of backups, and what they hold has changed since its last one. Upstream's key.
	NeedsBackup bool `json:"needs_backup"`
	// What went wrong last, or what is wrong with its configuration, in words; null while it works. Upstream's key.
	Error *string `json:"error"`
	backendOwn
}

// StatusDocument is what `status --json` prints. Detailed gives every backend and every list whole.
func StatusDocument(f Facts, detailed bool) ([]byte, error) {
	d := statusDoc{
		Running:       f.Manager.State != StateStopping,
		ThreadStatus:  threads(f.Workers),
		MetadataStats: statsOf(f, detailed),
		Tasks:         tasksOf(f, detailed),
		Pins:          pinsOf(f.Pins),
		Health:        healthSummary{f.Healthy, f.Monitored, float(f.Manager.HealthPercent)},
		Intervals:     intervalsOf(f.Intervals),
		LastCheck:     pyTime(f.LastHealthCheck, f.Now),
		DetailsCount:  f.LineCount,
		Truncated:     f.LineCount > len(f.Lines),
		Service:       serviceOf(f),
		Workers:       workersOf(f.Workers),
		Alerts:        alertsOf(f.Manager.Alerts),
	}
	problems := make([]problemDoc, 0, len(f.Problems))
	for _, p := range f.Problems {
		problems = append(problems, problemDoc{p.File, p.Error})
	}
	var cut bool
	d.ProblemCount = len(problems)
	d.Problems, cut = list(problems, detailed)
	d.Truncated = d.Truncated || cut
	doc, err := marshal("status", d)
	if err != nil {
		return nil, err
	}
	stats := d.MetadataStats
	return fill(doc, stats.Dirty.filling("dirty_backends"), stats.Unhealthy.filling("unhealthy_backends"),
		stats.Filesystem.filling("filesystem_backends"), stats.Blocked.filling("blocked_backends"),
		filling{"\n  \"backend_status_details\": {", "\n  ", f.Lines}), nil
}

// filling is what an empty list or object of a written document is filled with,
// a part a line: an encoder that indents would write ten thousand of them twice.
type filling struct {
	// place is what stands before the list's end; no text can hold it, because quotes in texts are escaped.
	place string
	// end is what stands before the list's end once it is filled: a new line with its indent.
	end string
	// parts are written already.
	parts [][]byte
}

// filling is that of a list of names in an object of the document.
func (n names) filling(key string) filling {
	f := filling{"\n    \"" + key + "\": [", "\n    ", make([][]byte, 0, len(n))}
	var all []byte
	for _, name := range n {
		from := len(all)
		all = appendQuoted(all, name)
		f.parts = append(f.parts, all[from:])
	}
	return f
}

// appendQuoted appends a text as JSON has it.
func appendQuoted(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, _ := compact("status", s) //nolint:errcheck // a text can always be written
			return append(to, text...)
		}
	}
	return append(append(append(to, '"'), s...), '"')
}

// fill puts all fillings into a document, whose places stand there in the same order.
func fill(doc []byte, all ...filling) []byte {
	size := len(doc)
	for _, f := range all {
		for _, p := range f.parts {
			size += len(p) + len(f.end) + len(",  ")
		}
		size += len(f.end)
	}
	out := make([]byte, 0, size)
	for _, f := range all {
		if len(f.parts) == 0 {
			continue
		}
		at := bytes.Index(doc, []byte(f.place)) + len(f.place)
		out, doc = append(out, doc[:at]...), doc[at:]
		for i, p := range f.parts {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(append(append(out, f.end...), "  "...), p...)
		}
		out = append(out, f.end...)
	}
	return append(out, doc...)
}

// LineOf is a backend of the status document: its name and what is known of it. It
// is made once and kept until the backend changes: there may be thousands.
func LineOf(b Backend) ([]byte, error) {
	details, err := compact("status", detailsOf(b))
	if err != nil {
		return nil, err
	}
	return slices.Concat(appendQuoted(nil, b.Name), []byte(": "), details), nil
}

// MaxUrgency is that of what needs a person most.
const MaxUrgency = 6

// Urgency is how much a backend needs attention, from 0 (it is not shown
// without being asked for) to MaxUrgency: it decides what stays where a list is cut.
func Urgency(b Backend) int {
	switch {
	case b.Health == HealthMisconfigured:
		return MaxUrgency
	case b.Health == HealthUnhealthy:
		return 5
	case b.Blocked != "":
		return 4
	case b.Health == HealthDegraded:
		return 3
	case b.LastError != "" && b.ErrorCount > 0:
		return 2
	case b.Dirty || b.Paused:
		return 1
	}
	return 0
}

// threads is upstream's object; a worker that was never started is null.
func threads(workers []Worker) map[string]*bool {
	m := map[string]*bool{}
	for _, name := range Workers {
		m[name] = nil
	}
	for _, w := range workers {
		m[w.Name] = &w.Healthy
	}
	return m
}

func statsOf(f Facts, detailed bool) metadataStats {
	m := f.Manager
	s := metadataStats{Buckets: m.Buckets, Backends: m.Backends, DirtyCount: m.DirtyBackends, UnhealthyCount: m.UnhealthyBackends,
		FilesystemCount: m.FilesystemBackends, BlockedCount: m.BlockedBackends, LastScan: epoch(m.LastScan), ScanAge: age(m.LastScan, f.Now)}
	for _, l := range []struct {
		to    *names
		names []string
		count uint64
	}{{&s.Dirty, f.Dirty, s.DirtyCount}, {&s.Unhealthy, f.Unhealthy, s.UnhealthyCount},
		{&s.Filesystem, f.Filesystem, s.FilesystemCount}, {&s.Blocked, f.Blocked, s.BlockedCount}} {
		*l.to, _ = list(l.names, detailed)
		s.Truncated = s.Truncated || l.count > uint64(len(*l.to))
	}
	return s
}

func tasksOf(f Facts, detailed bool) taskManagement {
	m := f.Manager
	t := taskManagement{Active: m.TasksActive, Queued: m.TasksQueued, Completed: m.TasksCompleted, Failed: m.TasksFailed,
		ActiveIDs: []string{}, Running: []taskDoc{}}
	var running []Task
	running, t.Truncated = list(f.ActiveTasks, detailed)
	for _, task := range running {
		t.ActiveIDs = append(t.ActiveIDs, strconv.FormatUint(task.ID, 10))
		t.Running = append(t.Running, taskOf(task))
	}
	return t
}

func pinsOf(p PinFacts) pinSummary {
	return pinSummary{Total: p.Total, BackendsWithPins: p.BackendsWithPins, UniqueCIDs: p.UniqueCIDs, Redundancy: redundancy(p),
		ByStatus: counts(p.ByStatus), Failed: len(p.FailedBackends), Pending: len(p.PendingBackends), Complete: !p.Incomplete}
}

// redundancy is the mean number of backends of a content id.
func redundancy(p PinFacts) float {
	ids, copies := 0, 0
	for level, n := range p.Redundancy {
		ids += n
		copies += level * n
	}
	if ids == 0 {
		return 0
	}
	return round2(float64(copies) / float64(ids))
}

func intervalsOf(i Intervals) intervals {
	return intervals{int64(i.BucketScan.Seconds()), int64(i.DirtyCheck.Seconds()), int64(i.HealthCheck.Seconds()),
		0, int64(i.BackupCheck.Seconds())}
}
