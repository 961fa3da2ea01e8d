package cli

// The parts of the service's documents that the texts show.

type backendView struct {
	LastCheck  *string `json:"last_check"`
	Pins       uint64  `json:"pin_count"`
	Error      *string `json:"error"`
	Type       string  `json:"type"`
	Endpoint   string  `json:"endpoint"`
	Health     string  `json:"health"`
	Dirty      bool    `json:"dirty"`
	Pending    uint64  `json:"pending_actions"`
	Blocked    *string `json:"blocked"`
	DirtySince *string `json:"dirty_since"`
	LastSync   *string `json:"last_sync"`
	NextRetry  *string `json:"next_retry"`
	Storage    uint64  `json:"storage_bytes"`
	LastBackup *string `json:"last_backup"`
	Paused     bool    `json:"paused"`
}

type taskView struct {
	ID         uint64   `json:"id"`
	Kind       string   `json:"kind"`
	Backend    string   `json:"backend"`
	Progress   *float64 `json:"progress"`
	ItemsDone  uint64   `json:"items_done"`
	ItemsTotal uint64   `json:"items_total"`
	BytesDone  uint64   `json:"bytes_done"`
	BytesTotal uint64   `json:"bytes_total"`
	Rate       uint64   `json:"bytes_per_second"`
	End        *string  `json:"expected_end"`
}

type statusView struct {
	Stats struct {
		Buckets   uint64 `json:"total_buckets"`
		Backends  uint64 `json:"total_backends"`
		Dirty     uint64 `json:"dirty_count"`
		Unhealthy uint64 `json:"unhealthy_count"`
		Blocked   uint64 `json:"blocked_count"`
	} `json:"metadata_driven_stats"`
	Tasks struct {
		Active    uint64     `json:"active_tasks"`
		Queued    uint64     `json:"queued_tasks"`
		Completed uint64     `json:"completed_tasks"`
		Failed    uint64     `json:"failed_tasks"`
		Running   []taskView `json:"running"`
	} `json:"task_management"`
	Pins struct {
		Total int `json:"total_pins"`
	} `json:"pin_mapping_summary"`
	Health struct {
		Percent   float64 `json:"health_percentage"`
		Monitored uint64  `json:"total_monitored"`
	} `json:"backend_health_summary"`
	Details map[string]backendView `json:"backend_status_details"`
	Count   int                    `json:"backend_status_count"`
	Service struct {
		Home          string  `json:"home"`
		State         string  `json:"state"`
		Reason        string  `json:"state_reason"`
		Uptime        float64 `json:"uptime_seconds"`
		OldestDirty   *string `json:"oldest_dirty"`
		DirtyMinute   float64 `json:"dirty_per_minute"`
		MendedMinute  float64 `json:"mended_per_minute"`
		ExpectedClean *string `json:"expected_clean"`
		Unwatched     int     `json:"unwatched_folders"`
		Paused        bool    `json:"paused"`
		PausedUntil   *string `json:"paused_until"`
	} `json:"service"`
	Workers []struct {
		Name     string  `json:"name"`
		State    string  `json:"state"`
		Healthy  bool    `json:"healthy"`
		LastBeat *string `json:"last_beat"`
		Restarts uint64  `json:"restarts"`
		Error    *string `json:"last_error"`
	} `json:"workers"`
	Alerts []struct {
		Severity string  `json:"severity"`
		Title    string  `json:"title"`
		Since    *string `json:"since"`
	} `json:"alerts"`
	Problems []struct {
		File  string `json:"file"`
		Error string `json:"error"`
	} `json:"problems"`
	ProblemCount int `json:"problem_count"`
}

type healthView struct {
	Healthy bool   `json:"healthy"`
	State   string `json:"state"`
	Issues  []struct {
		Severity       string  `json:"severity"`
		Code           string  `json:"code"`
		Backend        *string `json:"backend"`
		What           string  `json:"what"`
		Why            string  `json:"why"`
		Recommendation string  `json:"recommendation"`
	} `json:"issues"`
	Count     int  `json:"issue_count"`
	Truncated bool `json:"truncated"`
}

type insightsView struct {
	Buckets struct {
		Total      int     `json:"total_buckets"`
		NeedBackup int     `json:"buckets_needing_backup"`
		Average    float64 `json:"average_pins_per_bucket"`
	} `json:"bucket_analysis"`
	Backends struct {
		Total     int                `json:"total_backends"`
		Types     map[string]int     `json:"backend_types"`
		Responses map[string]float64 `json:"response_time_stats"`
	} `json:"backend_analysis"`
	Sync struct {
		Need  []string `json:"backends_needing_pin_sync"`
		Count int      `json:"backends_needing_pin_sync_count"`
	} `json:"sync_requirements"`
	Metrics struct {
		Freshness float64 `json:"metadata_freshness_seconds"`
		Pending   int     `json:"total_pending_actions"`
	} `json:"operational_metrics"`
	Pins struct {
		Total      int            `json:"total_pins"`
		ByStatus   map[string]int `json:"pin_status_distribution"`
		Redundancy map[string]int `json:"cid_redundancy"`
	} `json:"pin_mapping_analysis"`
	History struct {
		Today periodView `json:"today"`
		Week  periodView `json:"week"`
		Month periodView `json:"month"`
	} `json:"history"`
}

type periodView struct {
	Syncs   uint64   `json:"syncs"`
	Success *float64 `json:"sync_success"`
	Latency struct {
		Mean *float64 `json:"mean"`
		P95  *float64 `json:"p95"`
	} `json:"sync_latency_seconds"`
	Availability *float64 `json:"availability"`
	Spared       *struct {
		Checks  sparedView `json:"checks"`
		Backups sparedView `json:"backups"`
	} `json:"spared"`
}

type sparedView struct {
	Fixed  uint64 `json:"fixed_interval"`
	Spared uint64 `json:"spared"`
}

type explainView struct {
	Backend  string      `json:"backend"`
	Details  backendView `json:"details"`
	Decision []string    `json:"decision"`
}

type whereView struct {
	CID     string `json:"cid"`
	Holders []struct {
		Backend  string  `json:"backend"`
		State    string  `json:"state"`
		Target   string  `json:"target"`
		Verified *string `json:"verified"`
		Error    *string `json:"error"`
	} `json:"holders"`
}

type planView struct {
	Backends []struct {
		Backend string `json:"backend"`
		Mode    string `json:"mode"`
		Count   int    `json:"action_count"`
		Actions []struct {
			Action string `json:"action"`
			CID    string `json:"cid"`
			Reason string `json:"reason"`
			Bytes  uint64 `json:"bytes"`
		} `json:"actions"`
		Blocked *string `json:"blocked"`
		Error   *string `json:"error"`
	} `json:"backends"`
	Actions int    `json:"action_count"`
	Bytes   uint64 `json:"bytes"`
}
