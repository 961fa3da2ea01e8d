package status

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// defaultBackupAfter is upstream's age from which a bucket needs a backup.
const defaultBackupAfter = time.Hour

type insightsDoc struct {
	Buckets  bucketAnalysis   `json:"bucket_analysis"`
	Backends backendAnalysis  `json:"backend_analysis"`
	Sync     syncRequirements `json:"sync_requirements"`
	Metrics  operational      `json:"operational_metrics"`
	Pins     pinAnalysis      `json:"pin_mapping_analysis"`
	History  historyDoc       `json:"history"`
}

type bucketAnalysis struct {
	Total        int            `json:"total_buckets"`
	NeedBackup   int            `json:"buckets_needing_backup"`
	AveragePins  float          `json:"average_pins_per_bucket"`
	Distribution map[string]int `json:"bucket_backend_distribution"`
	Files        int64          `json:"total_files"`
	FilesUnknown int            `json:"buckets_with_unreadable_index"`
	Truncated    bool           `json:"truncated,omitempty"`
}

type backendAnalysis struct {
	Total        int              `json:"total_backends"`
	Types        map[string]int   `json:"backend_types"`
	Responses    map[string]float `json:"response_time_stats"`
	Distribution pinDistribution  `json:"pin_distribution"`
	*mappingTotals
}

// pinDistribution is empty without backends, as upstream's.
type pinDistribution struct {
	Total            *uint64 `json:"total_pins,omitempty"`
	Average          *float  `json:"average_per_backend,omitempty"`
	Most             *uint64 `json:"max_pins,omitempty"`
	BackendsWithPins *uint64 `json:"backends_with_pins,omitempty"`
}

// mappingTotals are there only where there are pin mappings, as upstream's.
type mappingTotals struct {
	Total            int            `json:"total_pins"`
	BackendsWithPins int            `json:"backends_with_pins"`
	ByStatus         map[string]int `json:"pin_status_distribution"`
	Redundancy       float          `json:"average_redundancy"`
}

type syncRequirements struct {
	NeedSync      []string             `json:"backends_needing_pin_sync"`
	NeedSyncCount int                  `json:"backends_needing_pin_sync_count"`
	Targets       []string             `json:"metadata_backup_targets"`
	Actions       map[string]actionDoc `json:"dirty_backend_actions"`
	Failed        []string             `json:"backends_with_failed_pins,omitempty"`
	Pending       []string             `json:"backends_with_pending_pins,omitempty"`
	Truncated     bool                 `json:"truncated,omitempty"`
}

type actionDoc struct {
	Total    int  `json:"total_actions"`
	Unsynced int  `json:"unsynced_actions"`
	IsDirty  bool `json:"is_dirty"`
}

type operational struct {
	Freshness float `json:"metadata_freshness_seconds"`
	CheckAge  float `json:"avg_backend_health_check_age"`
	Pending   int   `json:"total_pending_actions"`
}

type pinAnalysis struct {
	Total            int            `json:"total_pins"`
	BackendsWithPins int            `json:"backends_with_pins"`
	ByStatus         map[string]int `json:"pin_status_distribution"`
	Failed           []string       `json:"backends_with_failed_pins"`
	Pending          []string       `json:"backends_with_pending_pins"`
	Redundancy       map[string]int `json:"cid_redundancy"`
	Oldest           *string        `json:"oldest_pin_date"`
	Newest           *string        `json:"newest_pin_date"`
	UniqueCIDs       *int           `json:"total_unique_cids,omitempty"`
	Average          *float         `json:"average_redundancy,omitempty"`
	Truncated        bool           `json:"truncated,omitempty"`
}

// InsightsDocument is what `insights --json` prints.
func InsightsDocument(f Facts) ([]byte, error) {
	return marshal("insights", insightsDoc{
		Buckets: bucketsOf(f), Backends: analysisOf(f), Sync: syncOf(f),
		Metrics: operational{Freshness: age(f.Manager.LastScan, f.Now), CheckAge: checkAge(f), Pending: f.Pending},
		Pins:    pinAnalysisOf(f),
		History: historyOf(f.History),
	})
}

func bucketsOf(f Facts) bucketAnalysis {
	a := bucketAnalysis{Total: len(f.Buckets), Distribution: map[string]int{}}
	var pins int64
	for _, b := range f.Buckets {
		pins += b.PinCount
		if b.Files < 0 {
			a.FilesUnknown++
		} else {
			a.Files += b.Files
		}
		if needsBackup(f, b) {
			a.NeedBackup++
		}
		if len(b.Backends) == 0 {
			continue
		}
		if len(a.Distribution) >= ListLimit {
			a.Truncated = true
			continue
		}
		a.Distribution[bucketName(b)] = len(b.Backends)
	}
	if a.Total > 0 {
		a.AveragePins = float(float64(pins) / float64(a.Total))
	}
	return a
}

func bucketName(b BucketFact) string {
	if b.Key != "" {
		return b.Key
	}
	return b.Name
}

func needsBackup(f Facts, b BucketFact) bool {
	after := f.BackupAfter
	if after == 0 {
		after = defaultBackupAfter
	}
	return b.LastBackup.IsZero() || f.Now.Sub(b.LastBackup) > after
}

func analysisOf(f Facts) backendAnalysis {
	a := backendAnalysis{Total: len(f.Backends), Types: map[string]int{}, Responses: map[string]float{}}
	var times []float64
	var pins, most, with uint64
	for _, b := range f.Backends {
		if b.Type != "" {
			a.Types[b.Type]++
		}
		if b.ResponseMS > 0 {
			times = append(times, b.ResponseMS)
		}
		pins += b.Pins
		most = max(most, b.Pins)
		if b.Pins > 0 {
			with++
		}
	}
	if len(times) > 0 {
		a.Responses = responses(times)
	}
	if a.Total > 0 {
		average := float(float64(pins) / float64(a.Total))
		a.Distribution = pinDistribution{&pins, &average, &most, &with}
	}
	if p := f.Pins; p.Total > 0 {
		a.mappingTotals = &mappingTotals{p.Total, p.BackendsWithPins, counts(p.ByStatus), redundancy(p)}
	}
	return a
}

// responses are statistics of at least one time, in milliseconds.
func responses(times []float64) map[string]float {
	slices.Sort(times)
	sum := 0.0
	for _, t := range times {
		sum += t
	}
	n := len(times)
	return map[string]float{"average_ms": float(sum / float64(n)), "median_ms": float((times[(n-1)/2] + times[n/2]) / 2),
		"max_ms": float(times[n-1]), "min_ms": float(times[0])}
}

func syncOf(f Facts) syncRequirements {
	s := syncRequirements{Actions: map[string]actionDoc{}}
	var need, targets []string
	for _, b := range f.Backends {
		if b.Dirty || b.NeedsSync {
			need = append(need, b.Name)
		}
		if b.Filesystem {
			targets = append(targets, b.Name)
		}
	}
	s.NeedSyncCount = len(need)
	cut := make([]bool, 5)
	s.NeedSync, cut[0] = list(need, false)
	s.Targets, cut[1] = list(targets, false)
	s.Failed, cut[2] = list(f.Pins.FailedBackends, false)
	s.Pending, cut[3] = list(f.Pins.PendingBackends, false)
	names := slices.Sorted(maps.Keys(f.DirtyActions))
	slices.SortStableFunc(names, func(a, b string) int { return f.DirtyActions[b].Unsynced - f.DirtyActions[a].Unsynced })
	names, cut[4] = list(names, false)
	for _, name := range names {
		s.Actions[name] = actionDoc(f.DirtyActions[name])
	}
	s.Truncated = slices.Contains(cut, true)
	return s
}

// checkAge is the mean age of the last checks in seconds, 0 with none.
func checkAge(f Facts) float {
	sum, n := 0.0, 0
	for _, b := range f.Backends {
		if !b.LastCheck.IsZero() {
			sum += f.Now.Sub(b.LastCheck).Seconds()
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return float(sum / float64(n))
}

func pinAnalysisOf(f Facts) pinAnalysis {
	p := f.Pins
	a := pinAnalysis{Total: p.Total, BackendsWithPins: p.BackendsWithPins, ByStatus: counts(p.ByStatus),
		Redundancy: map[string]int{}, Oldest: pyTime(p.Oldest, f.Now), Newest: pyTime(p.Newest, f.Now)}
	var cut bool
	a.Failed, cut = list(p.FailedBackends, false)
	a.Pending, a.Truncated = list(p.PendingBackends, false)
	a.Truncated = a.Truncated || cut
	for level, n := range p.Redundancy {
		a.Redundancy[strconv.Itoa(level)] = n
	}
	if p.Total > 0 {
		average := redundancy(p)
		a.UniqueCIDs, a.Average = &p.UniqueCIDs, &average
	}
	return a
}
