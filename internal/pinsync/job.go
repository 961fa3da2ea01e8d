// Package pinsync is what a sync of one backend is, over any adapter: look at
// what is wanted, put what is missing from the first source that has it, verify,
// write it down, and only then clear the mark. The order loses nothing: at
// whatever moment it ends, the same job again comes to the same end.
package pinsync

import (
	"context"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
)

// Mode says how much of a backend is looked at.
type Mode uint8

const (
	// Delta looks at the CIDs of the mark and at the mapping's pending and failed rows, and at nothing else.
	Delta Mode = iota
	// Reconcile compares a whole listing of the backend with everything that it should hold.
	Reconcile
)

// StatusRemoved is the status of a mapping's row whose content was removed because an unpin action asked for it.
const StatusRemoved = "removed"

// PinStore is the backend's pin mapping; *home.Home offers it by name, see HomePins.
type PinStore interface {
	// Open gives the rows that are pending or failed.
	Open(ctx context.Context) ([]home.Pin, error)
	// All gives all rows.
	All(ctx context.Context) ([]home.Pin, error)
	// Update writes rows in one rewrite of the mapping, durable when it returns.
	Update(ctx context.Context, rows []home.PinUpdate) error
}

// MarkStore is where the backend's dirty marks are; see HomeMarks.
type MarkStore interface {
	// Clear marks as synced what c names, and tells what the marks say after.
	Clear(ctx context.Context, c home.Cleared) (*home.Dirty, error)
}

// Job is one sync of one backend. The zero values of what is said to have a default mean the default.
type Job struct {
	// Backend is its name.
	Backend string
	// Mode says how much is looked at.
	Mode Mode
	// Dirty is the mark that is served, as it was read at the start; nil: none stands, and nothing is cleared.
	Dirty *home.Dirty
	// Adapter of the backend, opened for this job.
	Adapter backend.Adapter
	// Sources of content, the nearest first.
	Sources []SourceFinder
	// Pins is the backend's mapping.
	Pins PinStore
	// Marks are where the mark is cleared.
	Marks MarkStore
	// Desired gives what buckets and local pins want on the backend, for Reconcile; nil: what the mapping and the mark say alone.
	Desired func(ctx context.Context) ([]string, error)
	// Prove has everything that is wanted read back, whatever the mapping says of it, and records that are missing beside it written.
	Prove bool
	// Records keeps upstream's records of pins alone: no content is looked for.
	Records bool
	// Progress, if set, is told how far it is: one call at a time, possibly many a second.
	Progress func(Progress)
	// Clock of stalls and of what is written; the system's by default.
	Clock clock.Clock
	// Writes, if set, is the lane of what is written to the home: one that hangs then stalls the pass, as a backend does.
	Writes *backend.Lane
	// StallLimit is how long nothing may move; 5 minutes by default. Work on content of a known size gets its time beside it.
	StallLimit time.Duration
	// Alive, if set, is asked before anything is written: false means that this run was replaced, and must commit nothing more.
	Alive func() bool
	// SentinelID is the identity that the backend had when it was last synced; empty: never.
	SentinelID string
	// AcceptIdentity is a person's word that a backend without its identity, or with another one, is the right one.
	AcceptIdentity bool
	// MaxParallel is how many items are worked on at once; 1 by default.
	MaxParallel int
	// RemovalShare is the part of what the backend holds that may be removed without a person's word; 0.1 by default, negative: none. Ten pins may always be.
	RemovalShare float64
	// AllowRemovals is a person's word that more may be removed.
	AllowRemovals bool
	// FlushEvery bounds the rows that wait to be written to the mapping; 1000 by default. None waits longer than about a second.
	FlushEvery int
}

const (
	defaultStall  = 5 * time.Minute
	defaultShare  = 0.1
	freeRemovals  = 10
	defaultFlush  = 1000
	flushInterval = time.Second
)

func (j Job) withDefaults() Job {
	if j.StallLimit <= 0 {
		j.StallLimit = defaultStall
	}
	if j.MaxParallel <= 0 {
		j.MaxParallel = 1
	}
	if j.RemovalShare == 0 {
		j.RemovalShare = defaultShare
	}
	if j.FlushEvery <= 0 {
		j.FlushEvery = defaultFlush
	}
	if j.Alive == nil {
		j.Alive = func() bool { return true }
	}
	if j.Clock == nil {
		j.Clock = clock.System
	}
	return j
}

// Progress tells how far a run is. BytesTotal counts what is known of what was begun; it may grow.
type Progress struct {
	// ItemsDone counts CIDs that are done.
	ItemsDone uint64
	// ItemsTotal counts all that are known so far.
	ItemsTotal uint64
	// BytesDone were moved.
	BytesDone uint64
	// BytesTotal counts what is known of what was begun; it may grow.
	BytesTotal uint64
}
