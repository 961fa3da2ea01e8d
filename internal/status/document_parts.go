package status

// backendOwn are the facts of a backend that are new keys of this service. What
// says nothing (no error, never, not known) is left out: there may be thousands of backends.
type backendOwn struct {
	Type         string   `json:"type"`
	Endpoint     string   `json:"endpoint"`
	Health       string   `json:"health"`
	Dirty        bool     `json:"dirty"`
	Pending      uint64   `json:"pending_actions,omitempty"`
	Blocked      string   `json:"blocked,omitempty"`
	DirtySince   *string  `json:"dirty_since,omitempty"`
	LastSync     *string  `json:"last_sync,omitempty"`
	NextRetry    *string  `json:"next_retry,omitempty"`
	ErrorCount   uint64   `json:"error_count,omitempty"`
	StorageBytes uint64   `json:"storage_bytes,omitempty"`
	Available    *int64   `json:"available_bytes,omitempty"`
	LastBackup   *string  `json:"last_backup,omitempty"`
	LastProof    *string  `json:"last_restore_proof,omitempty"`
	Paused       bool     `json:"paused,omitempty"`
	Risk         *float   `json:"risk,omitempty"`
	RiskReasons  []string `json:"risk_reasons,omitempty"`
}

func ownOf(b Backend) backendOwn {
	d := backendOwn{Type: b.Type, Endpoint: b.Endpoint, Health: b.Health, Dirty: b.Dirty, Pending: b.PendingActions,
		Blocked: b.Blocked, DirtySince: isoTime(b.DirtySince), LastSync: isoTime(b.LastSync), NextRetry: isoTime(b.NextRetry),
		ErrorCount: b.ErrorCount, StorageBytes: b.StorageBytes, LastBackup: isoTime(b.LastBackup), LastProof: isoTime(b.LastRestoreProof),
		Paused: b.Paused, RiskReasons: b.RiskReasons}
	if b.AvailableBytes >= 0 {
		d.Available = &b.AvailableBytes
	}
	if b.Risk >= 0 {
		r := float(b.Risk)
		d.Risk = &r
	}
	return d
}

func detailsOf(b Backend) backendDetails {
	return backendDetails{Healthy: b.Health == HealthHealthy || b.Health == HealthDegraded, LastCheck: isoTime(b.LastCheck),
		ResponseMS: float(b.ResponseMS), Pins: b.Pins, NeedsSync: b.NeedsSync, NeedsBackup: b.NeedsBackup,
		Error: textOrNull(b.LastError), backendOwn: ownOf(b)}
}

// serviceDoc is the service itself.
type serviceDoc struct {
	Version         string  `json:"version"`
	Home            string  `json:"home"`
	State           string  `json:"state"`
	StateReason     string  `json:"state_reason"`
	Started         *string `json:"started"`
	Uptime          float   `json:"uptime_seconds"`
	Now             *string `json:"now"`
	NextWake        *string `json:"next_wake"`
	Paused          bool    `json:"paused"`
	PausedUntil     *string `json:"paused_until"`
	OldestDirty     *string `json:"oldest_dirty"`
	DirtyPerMinute  float   `json:"dirty_per_minute"`
	MendedPerMinute float   `json:"mended_per_minute"`
	ExpectedClean   *string `json:"expected_clean"`
	Unwatched       int     `json:"unwatched_folders"`
}

func serviceOf(f Facts) serviceDoc {
	m := f.Manager
	d := serviceDoc{Version: m.Version, Home: m.Home, State: m.State, StateReason: m.StateReason, Started: isoTime(m.Started),
		Now: isoTime(f.Now), NextWake: isoTime(m.NextWake), Paused: m.Paused, PausedUntil: isoTime(m.PausedUntil),
		OldestDirty: isoTime(m.OldestDirty), DirtyPerMinute: round2(m.DirtyPerMinute), MendedPerMinute: round2(m.MendedPerMinute),
		ExpectedClean: isoTime(m.ExpectedClean), Unwatched: f.Unwatched}
	if !m.Started.IsZero() {
		d.Uptime = age(m.Started, f.Now)
	}
	return d
}

type workerDoc struct {
	Name       string  `json:"name"`
	State      string  `json:"state"`
	Healthy    bool    `json:"healthy"`
	LastBeat   *string `json:"last_beat"`
	Interval   float   `json:"interval_seconds"`
	Iterations uint64  `json:"iterations"`
	Restarts   uint64  `json:"restarts"`
	LastError  *string `json:"last_error"`
	NextRun    *string `json:"next_run"`
}

func workersOf(all []Worker) []workerDoc {
	out := make([]workerDoc, 0, len(all))
	for _, w := range all {
		out = append(out, workerDoc{w.Name, w.State, w.Healthy, isoTime(w.LastBeat), float(w.Interval.Seconds()),
			w.Iterations, w.Restarts, textOrNull(w.LastError), isoTime(w.NextRun)})
	}
	return out
}

type alertDoc struct {
	Code     string  `json:"code"`
	Severity string  `json:"severity"`
	Title    string  `json:"title"`
	Since    *string `json:"since"`
}

func alertsOf(all []Alert) []alertDoc {
	out := make([]alertDoc, 0, len(all))
	for _, a := range all {
		out = append(out, alertDoc{a.Code, a.Severity, a.Title, isoTime(a.Since)})
	}
	return out
}

type problemDoc struct {
	File  string `json:"file"`
	Error string `json:"error"`
}

// taskDoc is one task. ID is a number here; upstream's active_task_ids are texts.
type taskDoc struct {
	ID             uint64   `json:"id"`
	Kind           string   `json:"kind"`
	Backend        string   `json:"backend"`
	State          string   `json:"state"`
	Priority       uint8    `json:"priority"`
	Attempt        uint32   `json:"attempt"`
	Progress       *float   `json:"progress"`
	ItemsDone      uint64   `json:"items_done"`
	ItemsTotal     uint64   `json:"items_total"`
	BytesDone      uint64   `json:"bytes_done"`
	BytesTotal     uint64   `json:"bytes_total"`
	BytesPerSecond uint64   `json:"bytes_per_second"`
	Reason         string   `json:"reason"`
	Created        *string  `json:"created"`
	Started        *string  `json:"started"`
	Finished       *string  `json:"finished"`
	ExpectedEnd    *string  `json:"expected_end"`
	NextTry        *string  `json:"next_try"`
	Error          *string  `json:"error"`
	Cancelable     bool     `json:"cancelable"`
	Log            []string `json:"log,omitempty"`
}

func taskOf(t Task) taskDoc {
	d := taskDoc{ID: t.ID, Kind: t.Kind, Backend: t.Backend, State: t.State, Priority: t.Priority, Attempt: t.Attempt,
		ItemsDone: t.ItemsDone, ItemsTotal: t.ItemsTotal, BytesDone: t.BytesDone, BytesTotal: t.BytesTotal,
		BytesPerSecond: t.BytesPerSecond, Reason: t.Reason, Created: isoTime(t.Created), Started: isoTime(t.Started),
		Finished: isoTime(t.Finished), ExpectedEnd: isoTime(t.ExpectedEnd), NextTry: isoTime(t.NextTry),
		Error: textOrNull(t.Error), Cancelable: t.Cancelable, Log: t.Log}
	if t.ProgressValid {
		p := float(t.Progress)
		d.Progress = &p
	}
	return d
}
