package plan

import (
	"hash/fnv"
	"time"
)

// Rules are the planner's figures. All can be configured.
type Rules struct {
	// Priority by kind of task and its cause; from 1, the highest, to 10.
	Priority map[Cause]uint8
	// StaleAfter is how old the last check of a backend that a bucket names may be.
	StaleAfter time.Duration
	// Reconcile is the interval of whole comparisons, jittered by a quarter.
	Reconcile time.Duration
	// Verify is the interval at which stored content is read back, jittered by a quarter.
	Verify time.Duration
	// BackupBuckets and BackupMetadata are the least age of the last backup.
	BackupBuckets, BackupMetadata time.Duration
	// RetryMin and RetryMax bound the wait after a failure; it doubles in between.
	RetryMin, RetryMax time.Duration
	// BlockedRetry is when content that nobody had is looked for again.
	BlockedRetry time.Duration
}

// Cause is why a task is due: with its kind it gives the priority.
type Cause string

// The causes; CauseTexts says what they are.
const (
	CauseAsked          Cause = "asked"
	CauseDirtyNew       Cause = "dirty_new"
	CauseDirtyStanding  Cause = "dirty_standing"
	CauseDirtyRetry     Cause = "dirty_retry"
	CauseStale          Cause = "stale"
	CauseProbeDirty     Cause = "probe_dirty"
	CauseProbeUnhealthy Cause = "probe_unhealthy"
	CauseProbe          Cause = "probe"
	CauseBackupBuckets  Cause = "backup_buckets"
	CauseBackupMetadata Cause = "backup_metadata"
	CauseReconcile      Cause = "reconcile"
	CauseVerify         Cause = "verify"
)

// CauseTexts say what each cause is, in words.
var CauseTexts = map[Cause]string{
	CauseAsked:          "what a person or program asked for",
	CauseDirtyNew:       "a sync of a mark that came while the service ran",
	CauseDirtyStanding:  "a sync of a mark that stood at the start, or of a backend whose root is another one than before",
	CauseDirtyRetry:     "a sync of a mark that was tried in vain",
	CauseStale:          "a sync of rows that are pending or failed, of a backend that a bucket names",
	CauseProbeDirty:     "a health check of a dirty backend",
	CauseProbeUnhealthy: "a health check of an unhealthy backend",
	CauseProbe:          "any other health check",
	CauseBackupBuckets:  "a backup of the indices of buckets",
	CauseBackupMetadata: "a backup of the metadata",
	CauseReconcile:      "the whole comparison whose time has come",
	CauseVerify:         "the reading back whose time has come",
}

// DefaultRules are the figures of docs/architecture.md.
func DefaultRules() Rules {
	return Rules{
		Priority: map[Cause]uint8{
			CauseAsked: 1, CauseDirtyNew: 1, CauseDirtyStanding: 2, CauseDirtyRetry: 4, CauseStale: 4,
			CauseProbeDirty: 5, CauseProbeUnhealthy: 6, CauseProbe: 7,
			CauseBackupBuckets: 6, CauseBackupMetadata: 8, CauseReconcile: 9, CauseVerify: 10,
		},
		StaleAfter: 6 * time.Hour, Reconcile: 7 * 24 * time.Hour, Verify: 30 * 24 * time.Hour,
		BackupBuckets: time.Hour, BackupMetadata: 30 * time.Minute,
		RetryMin: 5 * time.Second, RetryMax: 30 * time.Minute, BlockedRetry: 6 * time.Hour,
	}
}

// Backoff is the wait after the n-th failure in a row (n from 1): doubling from
// RetryMin to RetryMax, jittered by a quarter either way, the same for the same key and n.
func (r Rules) Backoff(key string, n int) time.Duration {
	return min(Jitter(key, uint64(n), Doubled(r.RetryMin, n-1, r.RetryMax)), r.RetryMax)
}

// Doubled is d after n doublings, and not more than most.
func Doubled(d time.Duration, n int, most time.Duration) time.Duration {
	for ; n > 0 && d > 0 && d < most; n-- {
		d += min(d, most-d)
	}
	return min(d, most)
}

// Jitter moves d by up to a quarter either way, always the same for the same
// key and salt, so that a plan made twice is the same plan.
func Jitter(key string, salt uint64, d time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(key)) //nolint:errcheck // a hash takes everything
	h.Write([]byte{byte(salt), byte(salt >> 8), byte(salt >> 16), byte(salt >> 24)})
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	share := float64(x>>11)/float64(1<<53) - 0.5 // from -0.5 to 0.5
	return d + time.Duration(float64(d)*share/2)
}
