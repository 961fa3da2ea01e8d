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
	// All buckets. Upstream's key.
	Buckets bucketAnalysis `json:"bucket_analysis"`
	// All backends. Upstream's key.
	Backends backendAnalysis `json:"backend_analysis"`
	// What has to be synced. Upstream's key.
	Sync syncRequirements `json:"sync_requirements"`
	// How fresh the picture is, and what is to be done. Upstream's key.
	Metrics operational `json:"operational_metrics"`
	// All pin mappings. Upstream's key.
	Pins pinAnalysis `json:"pin_mapping_analysis"`
	// What was recorded: today, in the last 7 and in the last 30 days.
	History historyDoc `json:"history"`
}

type bucketAnalysis struct {
	// Distinct buckets of all registries. Upstream's key.
	Total int `json:"total_buckets"`
	// Buckets without a backup, or whose last one is older than backup.buckets of the configuration says
	// (an hour by default). Upstream's key.
	NeedBackup int `json:"buckets_needing_backup"`
	// Mean of the pins that the registries count for each bucket; 0.0 with none. Upstream's key.
	AveragePins float `json:"average_pins_per_bucket"`
	// How many backends each bucket has, by its key (BACKEND/NAME or the name); buckets with none are left out, and at
	// most 100 are listed. Upstream's key.
	Distribution map[string]int `json:"bucket_backend_distribution"`
	// Files of all buckets whose index can be read.
	Files int64 `json:"total_files"`
	// Buckets whose index of files can't be read.
	FilesUnknown int `json:"buckets_with_unreadable_index"`
	// True where bucket_backend_distribution is cut; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
}

type backendAnalysis struct {
	// Backends that are counted, as total_backends of status. Upstream's key.
	Total int `json:"total_backends"`
	// How many backends there are of each type, as their configurations or the registry spell it. Upstream's key.
	Types map[string]int `json:"backend_types"`
	// Over the backends with a response time: average_ms, median_ms, max_ms, min_ms in milliseconds; empty with none.
	// Upstream's key.
	Responses map[string]float `json:"response_time_stats"`
	// Pins over backends; empty without backends. Upstream's key.
	Distribution pinDistribution `json:"pin_distribution"`
	*mappingTotals
}

// pinDistribution is empty without backends, as upstream's.
type pinDistribution struct {
	// Pins of all backends; absent without backends. Upstream's key.
	Total *uint64 `json:"total_pins,omitempty"`
	// Mean of the pins of a backend; absent without backends. Upstream's key.
	Average *float `json:"average_per_backend,omitempty"`
	// Pins of the backend with the most; absent without backends. Upstream's key.
	Most *uint64 `json:"max_pins,omitempty"`
	// Backends with a pin; absent without backends. Upstream's key.
	BackendsWithPins *uint64 `json:"backends_with_pins,omitempty"`
}

// mappingTotals are there only where there are pin mappings, as upstream's.
type mappingTotals struct {
	// Rows of all pin mappings; absent with none. Upstream's key.
	Total int `json:"total_pins"`
	// Backends whose mapping has a row; absent with none. Upstream's key.
	BackendsWithPins int `json:"backends_with_pins"`
	// Rows of mappings by their status; absent with none. Upstream's key.
	ByStatus map[string]int `json:"pin_status_distribution"`
	// Mean number of backends that list a CID, to two digits; absent with no row. Upstream's key.
	Redundancy float `json:"average_redundancy"`
}

type syncRequirements struct {
	// Names of backends that are dirty, or have rows that are pending or failed, in order; at most 100. Upstream's
	// key.
	NeedSync []string `json:"backends_needing_pin_sync"`
	// How many those are, also where the list is cut.
	NeedSyncCount int `json:"backends_needing_pin_sync_count"`
	// Names of backends of the type filesystem, in order; at most 100. Upstream's key.
	Targets []string `json:"metadata_backup_targets"`
	// Marks by name of the backend, clean ones with actions too, at most 100: those with the most unsynced actions.
	// Upstream's key.
	Actions map[string]actionDoc `json:"dirty_backend_actions"`
	// Names of backends with a row that failed, at most 100; absent with none. Upstream's key.
	Failed []string `json:"backends_with_failed_pins,omitempty"`
	// Names of backends with a row that is pending, at most 100; absent with none. Upstream's key.
	Pending []string `json:"backends_with_pending_pins,omitempty"`
	// True where a list or the object of actions is cut; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
}

type actionDoc struct {
	// Actions of the backend's marks, in all places together. Upstream's key.
	Total int `json:"total_actions"`
	// Those that are not synced; one that does not say counts as unsynced. Upstream's key.
	Unsynced int `json:"unsynced_actions"`
	// Whether a mark stands. Upstream's key.
	IsDirty bool `json:"is_dirty"`
}

type operational struct {
	// Seconds since the registries were read; since 1970 where they never were, as upstream. Upstream's key.
	Freshness float `json:"metadata_freshness_seconds"`
	// Mean of the seconds since the last check of each backend that was checked; 0.0 with none. Upstream's key.
	CheckAge float `json:"avg_backend_health_check_age"`
	// Unsynced actions of all backends. Upstream's key.
	Pending int `json:"total_pending_actions"`
}

type pinAnalysis struct {
	// Rows of all pin mappings. Upstream's key.
	Total int `json:"total_pins"`
	// Backends whose mapping has a row. Upstream's key.
	BackendsWithPins int `json:"backends_with_pins"`
	// Rows of mappings by their status. Upstream's key.
	ByStatus map[string]int `json:"pin_status_distribution"`
	// Names of backends with a row that failed, in order; at most 100. Upstream's key.
	Failed []string `json:"backends_with_failed_pins"`
	// Names of backends with a row that is pending, in order; at most 100. Upstream's key.
	Pending []string `json:"backends_with_pending_pins"`
	// How many CIDs have so many backends, by that number. Upstream's key.
	Redundancy map[string]int `json:"cid_redundancy"`
	// When the first pin was made, as YYYY-MM-DD HH:MM:SS[.ffffff] in the service's local time; null with none.
	// Upstream's key.
	Oldest *string `json:"oldest_pin_date"`
	// When the last pin was made, written alike; null with none. Upstream's key.
	Newest *string `json:"newest_pin_date"`
	// Different CIDs in all mappings; absent with no row. Upstream's key.
	UniqueCIDs *int `json:"total_unique_cids,omitempty"`
	// Mean number of backends that list a CID, to two digits; absent with no row. Upstream's key.
	Average *float `json:"average_redundancy,omitempty"`
	// True where one of the two lists of names is cut; absent otherwise.
	Truncated bool `json:"truncated,omitempty"`
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
		if b.RawType != "" {
			a.Types[b.RawType]++
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
