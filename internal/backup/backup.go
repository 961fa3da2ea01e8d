// Package backup keeps files of the home on a backend's object store:
// content-addressed, so that unchanged files cost nothing, and complete once the
// manifest, which is written last, is there.
package backup

import (
	"context"
	"errors"
	"io"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/clock"
)

// ErrNone says that there is no backup of that set.
var ErrNone = errors.New("there is no backup")

// Set names one series of backups: backups of several homes and kinds lie beside each other on one backend.
type Set struct {
	// Home identifies the home; letters, digits, "-" and "_".
	Home string
	// Kind is "buckets" or "metadata".
	Kind string
}

// File is one file to be kept.
type File struct {
	// Name is relative, with slashes.
	Name string
	// Size in bytes when it was listed.
	Size     int64
	Modified time.Time
	// Stamp differs whenever the file differs; where it is empty the file is always read.
	Stamp string
	// Open reads it; fs.ErrNotExist when it is gone meanwhile.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Job is one backup.
type Job struct {
	Set   Set
	Files []File
	Store backend.ObjectStore
	Clock clock.Clock
	// Version of the program, for the manifest.
	Version string
	// Progress, if set, is told how far it is.
	Progress func(Progress)
	// Alive, if set, is asked before the manifest is written: false means that this run was replaced.
	Alive func() bool
}

// Progress tells how far a backup, restore or verification is.
type Progress struct {
	FilesDone, FilesTotal uint64
	BytesDone, BytesTotal uint64
}
