// Package backend is what the service asks of a storage backend, whatever its
// type: the Adapter interface, the lane that keeps a hanging backend from
// hurting others, and the kinds of failure. Each family of types has a folder
// of its own below this one, and passes the conformance suite in
// backend/conformance against its real server.
package backend

import (
	"context"
	"io"
	"time"

	"github.com/ipfs/go-cid"
)

// Adapter is one configured backend, opened for one task. Methods honour ctx
// where the system allows it; a call that can hang is made in the backend's Lane.
// All are safe to repeat: the key is the CID.
type Adapter interface {
	// Check proves that the backend can be used, by reading only. The error is classified (see Class).
	Check(ctx context.Context) (Health, error)
	// Stat tells what the backend holds for a CID, cheaply. ErrNotStored when it has nothing.
	Stat(ctx context.Context, c cid.Cid) (Item, error)
	// Put stores the CAR of a root CID: under a temporary name, verified there, then published.
	// It reads src once; progress is called with the bytes so far.
	Put(ctx context.Context, c cid.Cid, src Source, progress func(bytes int64)) (Item, error)
	// Verify proves what is stored for a CID as deeply as the type can. ErrNotStored or a *CorruptError otherwise.
	Verify(ctx context.Context, c cid.Cid) (Item, error)
	// List calls each for everything stored; any error means that the listing is not whole and counts for nothing.
	List(ctx context.Context, each func(Item) error) error
	// Remove deletes what was stored for a CID; nothing there is no error.
	Remove(ctx context.Context, c cid.Cid) error
	// Open reads the CAR of a CID back. ErrNotStored when it has nothing.
	Open(ctx context.Context, c cid.Cid) (io.ReadCloser, error)
	// Usage tells the room that is taken and left.
	Usage(ctx context.Context) (Usage, error)
	// Objects is the store for backups; nil where the type has none.
	Objects() ObjectStore
	// Sentinel is the backend's own identity, written at the first put: ErrNotStored when there is none yet.
	// It is nil-safe evidence that a mount is there and is the right one.
	Sentinel(ctx context.Context) (Sentinel, error)
	// WriteSentinel puts it there.
	WriteSentinel(ctx context.Context, s Sentinel) error
	// Sweep removes this program's own half-written leftovers.
	Sweep(ctx context.Context) error
	// Close lets go of everything, so that a disk can be unmounted.
	Close() error
}

// Source is content to be stored: a CAR whose blocks were verified.
type Source struct {
	// Open starts reading the CAR from its beginning.
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Size is the CAR's length in bytes; -1 when it is not known.
	Size int64
	// From tells people where it comes from.
	From string
}

// Item is what a backend holds for one CID.
type Item struct {
	// CID is the root.
	CID cid.Cid
	// Size in bytes of the CAR, or of the DAG where the backend has no CARs; -1 when not known.
	Size int64
	// SHA256 of the CAR in hex; empty where the type has none.
	SHA256 string
	// Path is where it lies, as car_file_path shows it.
	Path string
	// Pending says that the backend accepted it but does not hold it yet.
	Pending bool
}

// Health is the outcome of a check that went well.
type Health struct {
	// Latency of the check.
	Latency time.Duration
	// Version of the server, where it tells.
	Version string
	// Degraded says in words what is wrong though it works (disk nearly full ...); empty: nothing.
	Degraded string
	// Usage as it was at the check.
	Usage Usage
	// Pins held; -1 when telling would cost a listing.
	Pins int64
}

// Usage is in bytes.
type Usage struct {
	// UsedBytes is what this backend's content takes; -1 when not known.
	UsedBytes int64
	// AvailableBytes is the room left; -1 when not known.
	AvailableBytes int64
}

// Sentinel is the content of .ipfs-kit-backend.json at a backend's root.
type Sentinel struct {
	// ID is random, and made once.
	ID string `json:"id"`
	// Backend is the name that it had when the sentinel was written.
	Backend string `json:"backend"`
	// Created is when it was written.
	Created time.Time `json:"created"`
}

// Object is one object of a backup.
type Object struct {
	// Name as it was put.
	Name string
	// Size in bytes.
	Size int64
	// Modified is when it was put.
	Modified time.Time
}

// ObjectStore keeps named objects (backups) below the backend's root. Names use
// slashes and never leave the root. A put is atomic: an object is there whole or not at all.
type ObjectStore interface {
	// PutObject stores size bytes of r; what has the name already is replaced.
	PutObject(ctx context.Context, name string, r io.Reader, size int64) error
	// GetObject is ErrNotStored when there is none.
	GetObject(ctx context.Context, name string) (io.ReadCloser, error)
	// StatObject is ErrNotStored when there is none.
	StatObject(ctx context.Context, name string) (Object, error)
	// ListObjects calls each for every object whose name starts with prefix; an error means that the listing is not whole.
	ListObjects(ctx context.Context, prefix string, each func(Object) error) error
	// RemoveObject deletes one; nothing there is no error.
	RemoveObject(ctx context.Context, name string) error
}
