package home

import (
	"fmt"
	"maps"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/human"
)

// Problem is something in the home that could not be read, and stays as it is.
type Problem struct {
	// File is relative to the home.
	File string
	// Err says what is wrong and, where it is known, at which line or column.
	Err error
}

// Error is the file and what is wrong.
func (p Problem) Error() string { return fmt.Sprintf("%s: %v", p.File, p.Err) }

// Mend says what to do about a damaged file, relative to the home. Two kinds can be made anew.
func Mend(file string) string {
	switch kind, backend := Classify(file); kind {
	case Mapping:
		return "have it made anew, this one is kept beside: ipfs-kit-intelligent restore " + human.Argument(backend) + " pins --overwrite"
	case Registry:
		return "put back a good copy, or move it away: the next checks make a new one"
	}
	return "mend it, or put back a good copy"
}

// Unwrap gives the cause.
func (p Problem) Unwrap() error { return p.Err }

// Dirty is what all marks of one backend say together. It is immutable.
type Dirty struct {
	// Backend is its name.
	Backend string
	// IsDirty: an unsynced action somewhere, or a mark that is set without
	// actions, or a non-empty file that can't be parsed though its settle time is over.
	IsDirty bool
	// Unsynced counts what is left to do: the actions that are not synced, and one for each mark of Bare.
	Unsynced int
	// Bare counts the marks that are set without actions, or can't be parsed.
	Bare int
	// CIDs are those of the unsynced actions that ask for content to be stored, each once, oldest first.
	CIDs []string
	// Removes are the CIDs of unsynced explicit unpin actions.
	Removes []string
	// Whole says that a mark names no CIDs, so that only a whole comparison can satisfy it.
	Whole bool
	// Since is when the oldest unsynced action was made; zero when clean.
	Since time.Time
	// LastSync is the newest last_sync of the marks; zero when never.
	LastSync time.Time
	// Version differs whenever any of the mark files differs (their names and stamps); for telling a new mark from a standing one.
	Version string
	// Settling says that a file could not be parsed yet but may be in the middle of being written: look again after the settle time.
	Settling bool
	// Problems are the files that could not be parsed.
	Problems []Problem
	// Actions counts all actions, synced or not.
	Actions int

	// files are the ones that were read, so that clearing touches what was seen and nothing that came later.
	files map[string]seenFile
}

// Pending counts the actions that are not synced.
func (d *Dirty) Pending() int { return d.Unsynced - d.Bare }

// StillSettling is what is known of marks while one of their files is being written: as before, and to be looked at again.
func (d *Dirty) StillSettling() *Dirty {
	same := *d
	same.Settling = true
	return &same
}

// seenFile is how a file of marks was when it was read.
type seenFile struct {
	actions int
	// lost are the identities of those that were lost from it and counted.
	lost map[string]bool
	// content is that of a file without actions.
	content digest
	stamp   stamp
	// sure is false while the stamp is too young to be relied on.
	sure bool
}

// Cleared says what a sync verified, so that just that is marked synced.
type Cleared struct {
	// Seen is the state that the sync started from; actions that came later stay.
	Seen *Dirty
	// CIDs are the ones verified on the backend now.
	CIDs []string
	// Removed are the ones whose removal was asked for and is done.
	Removed []string
	// Whole says that a whole comparison ended well, which also satisfies marks without CIDs.
	Whole bool
	// Dismiss gives up every action of Seen by a person's word.
	Dismiss bool
}

// Pin is a row of a backend's pin mapping.
type Pin struct {
	// CID as upstream wrote it: it may be no valid one.
	CID string
	// CARPath is the column car_file_path.
	CARPath string
	// Backend is the column backend_name.
	Backend string
	// CreatedAt is a time in ISO 8601, as upstream wrote it.
	CreatedAt string
	// Status is stored, pending, failed, or what else upstream wrote.
	Status string
	// Metadata is the text of a JSON object; empty for none.
	Metadata string
}

// Values of Pin.Status.
const (
	PinStored  = "stored"  // on the backend, and verified
	PinPending = "pending" // to be stored
	PinFailed  = "failed"  // could not be stored, or is damaged
)

// PinUpdate changes or adds one row of a pin mapping.
type PinUpdate struct {
	// CID names the row.
	CID string
	// Status that it gets.
	Status string
	// CARPath is written only when the row is new.
	CARPath string
	// Meta is merged into the JSON of the row's metadata column; a nil value removes the key.
	Meta map[string]any
}

// PinCounts counts the rows of a mapping by status.
type PinCounts struct {
	// Total counts all rows.
	Total int
	// ByStatus counts them by Pin.Status.
	ByStatus map[string]int
	// Oldest and Newest are the first and the last created_at; zero where no row has one.
	Oldest, Newest time.Time

	// stamp is the file's, and sure is false while that is too young to be relied on.
	stamp stamp
	sure  bool
}

// Stamp differs whenever the mapping's file differs; empty when there is none.
func (c PinCounts) Stamp() string {
	if c.stamp == (stamp{}) {
		return ""
	}
	return c.stamp.String()
}

// Equal tells whether two mappings count the same.
func (c PinCounts) Equal(o PinCounts) bool {
	return c.Total == o.Total && c.Oldest.Equal(o.Oldest) && c.Newest.Equal(o.Newest) && maps.Equal(c.ByStatus, o.ByStatus)
}

// count adds one row.
func (c *PinCounts) count(p Pin) {
	c.Total++
	c.ByStatus[p.Status]++
	t, ok := parseISO(p.CreatedAt)
	if !ok {
		return
	}
	if c.Oldest.IsZero() || t.Before(c.Oldest) {
		c.Oldest = t
	}
	c.Newest = later(c.Newest, t)
}

// RegistryRow is a row of backend_index/backend_registry.parquet.
type RegistryRow struct {
	// Name of the backend.
	Name string
	// Type as it was written.
	Type string
	// Endpoint without credentials; empty where the registry has none.
	Endpoint string
	// Health is healthy, unhealthy, or unknown (null, or never checked).
	Health string
	// LastCheck is zero for never.
	LastCheck time.Time
	// ResponseMS is how long the last check took, in milliseconds.
	ResponseMS float64
	// PinCount as upstream counted.
	PinCount int64
	// StorageUsage in bytes; 0: not known.
	StorageUsage int64
	// LastSync is zero for never.
	LastSync time.Time
	// LastBackup is zero when the registry has none.
	LastBackup time.Time
}

// RegistryUpdate changes the columns of one row; nil fields stay as they are.
type RegistryUpdate struct {
	// Name of the backend.
	Name string
	// Dirty writes dirty, and with false also last_sync and pinset_hash, as upstream's mark_backend_clean does.
	Dirty *bool
	// LastSync is written with Dirty false.
	LastSync time.Time
	// Health is what a check found; nil: none was made.
	Health *RegistryHealth
}

// RegistryHealth is what a health check writes to a row, or adds as a new row.
type RegistryHealth struct {
	// Status is healthy or unhealthy.
	Status string
	// Type of a row that is new.
	Type string
	// Endpoint of a row that is new, without credentials; empty: none is written.
	Endpoint string
	// CheckedAt is when the check ended.
	CheckedAt time.Time
	// ResponseMS is how long it took, in milliseconds.
	ResponseMS float64
	// PinCount is the rows of its mapping.
	PinCount int64
	// StorageUsage in bytes; 0: not known.
	StorageUsage int64
}

// Buckets are the distinct buckets of all registries together. They are shared, and must not be changed.
type Buckets struct {
	// List is sorted by key.
	List []Bucket
	// Files counts the files of their VFS indices by key: -1 where one can't be read; those without files are not in it.
	Files map[string]int64
}

// Bucket is a distinct bucket of all registries together. It is small: there may be a hundred thousand.
type Bucket struct {
	// Key is the bucket's identity: (backend, name) where its bucket_id has a slash, else its name.
	Key, Name string
	// PinCount as its registry has it.
	PinCount int64
	// LastBackup is zero when it never was, or its text can't be read.
	LastBackup clock.Instant

	bound *bound // shared by the buckets of which it says the same; nil: nothing is said
}

// bound is what is the same for many buckets.
type bound struct {
	backends []string
	index    string // vfs_index_path of the registry, where it is not the usual one
}

// Backends names the backends that the bucket is bound to. It must not be changed.
func (b Bucket) Backends() []string {
	if b.bound == nil {
		return nil
	}
	return b.bound.backends
}

func (b Bucket) index() string {
	if b.bound == nil {
		return ""
	}
	return b.bound.index
}
