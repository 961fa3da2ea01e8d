package status

// backendOwn are the facts of a backend that are new keys of this service. What
// says nothing (no error, never, not known) is left out: there may be thousands of backends.
type backendOwn struct {
	// Its type as configured or registered, aliases resolved: filesystem, ipfs, …; empty where only a mark names it.
	Type string `json:"type"`
	// Where it is: a folder or an address, without credentials; empty where nothing says it.
	Endpoint string `json:"endpoint"`
	// unknown (never checked), healthy, degraded (works, but not well), unhealthy, or misconfigured (can't be used as
	// it is configured).
	Health string `json:"health"`
	// Whether a mark stands: something is to be synced.
	Dirty bool `json:"dirty"`
	// Unsynced actions of its marks; absent for none.
	Pending uint64 `json:"pending_actions,omitempty"`
	// What it is dirty and waits for, that nobody here has; absent where nothing blocks it.
	Blocked string `json:"blocked,omitempty"`
	// When the standing mark was made; absent while it is clean, or where the mark does not say.
	DirtySince *string `json:"dirty_since,omitempty"`
	// End of the last sync that left nothing undone, by this service or by what the home says; absent for never.
	LastSync *string `json:"last_sync,omitempty"`
	// When a sync that failed is tried again; absent where none waits.
	NextRetry *string `json:"next_retry,omitempty"`
	// Failed checks or work in a row; absent for none.
	ErrorCount uint64 `json:"error_count,omitempty"`
	// Bytes that its content takes there, as the last check or the registry said; absent where that is not known.
	StorageBytes uint64 `json:"storage_bytes,omitempty"`
	// Bytes that are free there, as the last check said; absent where that is not known.
	Available *int64 `json:"available_bytes,omitempty"`
	// When a backup went there last; absent for never.
	LastBackup *string `json:"last_backup,omitempty"`
	// When verify last read everything there back and restored its backups to a scratch folder; absent for never.
	LastProof *string `json:"last_restore_proof,omitempty"`
	// True while nothing new begins for it: a person or its configuration paused it; absent otherwise.
	Paused bool `json:"paused,omitempty"`
	// How likely it is to fail, 0 to 1; absent where that is not known, which is always so in this version.
	Risk *float `json:"risk,omitempty"`
	// What makes the risk, in words; absent where risk is.
	RiskReasons []string `json:"risk_reasons,omitempty"`
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
	// Version of the program.
	Version string `json:"version"`
	// Absolute path of the home that is served.
	Home string `json:"home"`
	// starting (the home is being read), waiting (there is none), running, degraded (works only in part), paused, or
	// stopping.
	State string `json:"state"`
	// Why it is in that state, in one line; empty while running and stopping.
	StateReason string `json:"state_reason"`
	// Start of this process.
	Started *string `json:"started"`
	// Seconds since the start of this process.
	Uptime float `json:"uptime_seconds"`
	// The time of this document.
	Now *string `json:"now"`
	// When the planner looks next by itself; null where it only waits for events.
	NextWake *string `json:"next_wake"`
	// Whether no new task starts until the service is resumed.
	Paused bool `json:"paused"`
	// When the pause ends by itself; null where only a person ends it, or nothing is paused.
	PausedUntil *string `json:"paused_until"`
	// When the oldest mark that stands was made; null with none.
	OldestDirty *string `json:"oldest_dirty"`
	// Marks that arrive a minute: mean of the last five minutes, to two digits.
	DirtyPerMinute float `json:"dirty_per_minute"`
	// Marks that are cleared a minute: mean of the last five minutes, to two digits.
	MendedPerMinute float `json:"mended_per_minute"`
	// When the marks that a sync can clear will be cleared, at the rates of the last minute, or of the last five where
	// nothing was gained in it; null with none, or while no fewer arrive than are cleared.
	ExpectedClean *string `json:"expected_clean"`
	// Folders that the system watches no more of for this user; the sweep looks at them.
	Unwatched int `json:"unwatched_folders"`
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
	// metadata_reader, dirty_monitor, health_monitor or task_executor.
	Name string `json:"name"`
	// running, restarting (it ended, and a fresh one is to come) or failed (it hangs).
	State string `json:"state"`
	// Whether it is alive and makes progress.
	Healthy bool `json:"healthy"`
	// When it last showed progress; null for never.
	LastBeat *string `json:"last_beat"`
	// Seconds of its configured interval; 0.0 for one that works whenever there is something to do.
	Interval float `json:"interval_seconds"`
	// How often it did its work since the service began, of all its replacements.
	Iterations uint64 `json:"iterations"`
	// How often it was replaced by a fresh one since the service began.
	Restarts uint64 `json:"restarts"`
	// Why it was replaced last, in one line; null for never.
	LastError *string `json:"last_error"`
	// When it works next by itself; null where it waits for events.
	NextRun *string `json:"next_run"`
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
	// Stable word for the kind of alert.
	Code string `json:"code"`
	// critical, error, warning or info.
	Severity string `json:"severity"`
	// What is wrong, in one line.
	Title string `json:"title"`
	// When it was raised.
	Since *string `json:"since"`
}

func alertsOf(all []Alert) []alertDoc {
	out := make([]alertDoc, 0, len(all))
	for _, a := range all {
		out = append(out, alertDoc{a.Code, a.Severity, a.Title, isoTime(a.Since)})
	}
	return out
}

type problemDoc struct {
	// Path of the file, below the home.
	File string `json:"file"`
	// Why it can't be read, in words.
	Error string `json:"error"`
}

// taskDoc is one task. ID is a number here; upstream's active_task_ids are texts.
type taskDoc struct {
	// Never used twice, also across restarts. A number here; upstream's active_task_ids are texts.
	ID uint64 `json:"id"`
	// pin_sync, backup_buckets, backup_metadata, health_check, cleanup, verify or restore.
	Kind string `json:"kind"`
	// Name of the backend that it works on.
	Backend string `json:"backend"`
	// queued, running, waiting_retry (it failed), blocked (it waits for what nobody here has), or, at its end: done,
	// partial (something was left undone), failed or cancelled.
	State string `json:"state"`
	// 1 is the most urgent, 10 the least.
	Priority uint8 `json:"priority"`
	// How often it began to run; 0 before the first time.
	Attempt uint32 `json:"attempt"`
	// Part that is done, 0 to 1; null while it is not known how much there is to do.
	Progress *float `json:"progress"`
	// Items (CIDs, files) that are done in this attempt.
	ItemsDone uint64 `json:"items_done"`
	// Items in all; 0 while that is not known.
	ItemsTotal uint64 `json:"items_total"`
	// Bytes that were moved in this attempt.
	BytesDone uint64 `json:"bytes_done"`
	// Bytes in all; 0 while that is not known.
	BytesTotal uint64 `json:"bytes_total"`
	// Bytes a second: mean of this attempt; 0 before there is one.
	BytesPerSecond uint64 `json:"bytes_per_second"`
	// Why it exists, in words.
	Reason string `json:"reason"`
	// When it was made.
	Created *string `json:"created"`
	// When its last attempt began; null before the first one.
	Started *string `json:"started"`
	// When it ended; null while it lives.
	Finished *string `json:"finished"`
	// When it ends at the rate of this attempt; null where that is not known.
	ExpectedEnd *string `json:"expected_end"`
	// When it goes on by itself after a failure or a block; null where it waits for nothing.
	NextTry *string `json:"next_try"`
	// What went wrong last, in words; null for nothing.
	Error *string `json:"error"`
	// Whether it can be cancelled: it has not ended.
	Cancelable bool `json:"cancelable"`
	// Its last lines, each with its time, at most 100; absent with none.
	Log []string `json:"log,omitempty"`
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
