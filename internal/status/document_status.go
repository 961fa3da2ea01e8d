package status

import (
	"bytes"
	"slices"
	"strconv"
)

type statusDoc struct {
	Running       bool             `json:"running"`
	ThreadStatus  map[string]*bool `json:"thread_status"`
	MetadataStats metadataStats    `json:"metadata_driven_stats"`
	Tasks         taskManagement   `json:"task_management"`
	Pins          pinSummary       `json:"pin_mapping_summary"`
	Health        healthSummary    `json:"backend_health_summary"`
	Intervals     intervals        `json:"intervals"`
	LastCheck     *string          `json:"last_health_check"`
	// Details are filled by withLines: what needs attention, unless backends were named or all were asked for.
	Details      lines        `json:"backend_status_details"`
	DetailsCount int          `json:"backend_status_count"`
	Truncated    bool         `json:"truncated,omitempty"`
	Service      serviceDoc   `json:"service"`
	Workers      []workerDoc  `json:"workers"`
	Alerts       []alertDoc   `json:"alerts"`
	Problems     []problemDoc `json:"problems"`
	ProblemCount int          `json:"problem_count"`
}

// lines stand for backendDetails by name, until withLines puts them there.
type lines struct{}

type metadataStats struct {
	Buckets         uint64   `json:"total_buckets"`
	Backends        uint64   `json:"total_backends"`
	Dirty           []string `json:"dirty_backends"`
	DirtyCount      uint64   `json:"dirty_count"`
	Unhealthy       []string `json:"unhealthy_backends"`
	UnhealthyCount  uint64   `json:"unhealthy_count"`
	Filesystem      []string `json:"filesystem_backends"`
	FilesystemCount uint64   `json:"filesystem_count"`
	Blocked         []string `json:"blocked_backends"`
	BlockedCount    uint64   `json:"blocked_count"`
	LastScan        float    `json:"last_bucket_scan"`
	ScanAge         float    `json:"bucket_scan_age_seconds"`
	Truncated       bool     `json:"truncated,omitempty"`
}

type taskManagement struct {
	Active    uint64    `json:"active_tasks"`
	Queued    uint64    `json:"queued_tasks"`
	Completed uint64    `json:"completed_tasks"`
	Failed    uint64    `json:"failed_tasks"`
	ActiveIDs []string  `json:"active_task_ids"`
	Running   []taskDoc `json:"running"`
	Truncated bool      `json:"truncated,omitempty"`
}

type pinSummary struct {
	Total            int            `json:"total_pins"`
	BackendsWithPins int            `json:"backends_with_pins"`
	UniqueCIDs       int            `json:"total_unique_cids"`
	Redundancy       float          `json:"average_redundancy"`
	ByStatus         map[string]int `json:"status_distribution"`
	Failed           int            `json:"failed_pin_backends"`
	Pending          int            `json:"pending_pin_backends"`
	// Complete is false while unique ids and redundancy do not count all mappings yet, after a start with many.
	Complete bool `json:"index_complete"`
}

type healthSummary struct {
	Healthy   uint64 `json:"healthy_backends"`
	Monitored uint64 `json:"total_monitored"`
	Percent   float  `json:"health_percentage"`
}

type intervals struct {
	BucketScan  int64 `json:"bucket_scan_seconds"`
	DirtyCheck  int64 `json:"dirty_check_seconds"`
	HealthCheck int64 `json:"health_check_seconds"`
	TaskCheck   int64 `json:"task_check_seconds"`
	BackupCheck int64 `json:"backup_check_seconds"`
}

type backendDetails struct {
	Healthy     bool    `json:"healthy"`
	LastCheck   *string `json:"last_check"`
	ResponseMS  float   `json:"response_time_ms"`
	Pins        uint64  `json:"pin_count"`
	NeedsSync   bool    `json:"needs_sync"`
	NeedsBackup bool    `json:"needs_backup"`
	Error       *string `json:"error"`
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
		problems = append(problems, problemDoc(p))
	}
	var cut bool
	d.ProblemCount = len(problems)
	d.Problems, cut = list(problems, detailed)
	d.Truncated = d.Truncated || cut
	doc, err := marshal("status", d)
	if err != nil {
		return nil, err
	}
	return withLines(doc, f.Lines), nil
}

// noDetails is where the lines go; no text can hold it, because quotes in texts are escaped.
const noDetails = "\n  \"backend_status_details\": {}"

// withLines puts the backends into a status document, one a line.
func withLines(doc []byte, lines []Line) []byte {
	if len(lines) == 0 {
		return doc
	}
	size := len(doc)
	for _, l := range lines {
		size += len(l.JSON) + 6
	}
	at := bytes.Index(doc, []byte(noDetails)) + len(noDetails) - 1
	out := append(make([]byte, 0, size+4), doc[:at]...)
	for i, l := range lines {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, "\n    "...), l.JSON...)
	}
	return append(append(out, "\n  "...), doc[at:]...)
}

// LineOf is a backend of the status document: its name and what is known of it.
func LineOf(b Backend) (Line, error) {
	name, err := compact(b.Name)
	if err != nil {
		return Line{}, err
	}
	details, err := compact(detailsOf(b))
	if err != nil {
		return Line{}, err
	}
	return Line{b.Name, slices.Concat(name, []byte(": "), details)}, nil
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
		to    *[]string
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
		int64(i.TaskCheck.Seconds()), int64(i.BackupCheck.Seconds())}
}
