// Package fsys is the seam between the program and file systems: everything
// that reads or writes a home or a backend's root goes through a Root, which
// can't be left (no "..", no absolute name, no link that leads out) and behind
// which tests inject faults.
package fsys

import (
	"errors"
	"io"
	"io/fs"
)

// ErrNoExchange says that a file system cannot exchange two names atomically.
var ErrNoExchange = errors.New("file system cannot exchange two names")

// ErrNotFile says that a folder, FIFO, socket or device lies where a file should be.
var ErrNotFile = errors.New("it is no file")

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Seeker
	io.Closer
	// Sync makes what was written survive a power loss.
	Sync() error
	// Stat describes the file that is open, whatever its name leads to now.
	Stat() (fs.FileInfo, error)
	// Truncate cuts or extends the file to size bytes.
	Truncate(size int64) error
}

// Usage is the room of a file system, in bytes and inodes.
type Usage struct {
	// TotalBytes of the file system.
	TotalBytes uint64
	// AvailableBytes are those that users without privileges may still write.
	AvailableBytes uint64
	// TotalInodes of the file system; 0 where it does not count them.
	TotalInodes uint64
	// AvailableInodes are those that are free.
	AvailableInodes uint64
	// ReadOnly says that it is mounted read-only where this process sees it.
	ReadOnly bool
	// Type is the kernel's magic number of the file system (statfs f_type).
	Type int64
}

// Root is a folder that is held open: names are relative to it, with slashes,
// and never lead out of it. Methods are safe for concurrent use. Errors are
// *fs.PathError or *os.LinkError, so errors.Is(err, fs.ErrNotExist) works.
type Root interface {
	// Path is the folder's absolute path, for people and for the kernel's watches.
	Path() string
	// Open opens a file for reading. It never blocks on a FIFO or device: those are an error.
	Open(name string) (File, error)
	// OpenFile opens with the flags of os.OpenFile.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Stat follows links inside the root.
	Stat(name string) (fs.FileInfo, error)
	// Lstat tells of a link itself.
	Lstat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder, sorted by name.
	ReadDir(name string) ([]Entry, error)
	// OpenDir opens a folder, for looks at many of its files.
	OpenDir(name string) (Dir, error)
	// Rename replaces newname atomically.
	Rename(oldname, newname string) error
	// Exchange swaps two names atomically, or fails with ErrNoExchange.
	Exchange(a, b string) error
	// Link makes a hard link; an existing newname is an error (fs.ErrExist).
	Link(oldname, newname string) error
	// Remove deletes a file or an empty folder.
	Remove(name string) error
	// RemoveAll deletes a name and all below it; nothing there is no error.
	RemoveAll(name string) error
	// MkdirAll makes a folder and those above it that are missing.
	MkdirAll(name string, perm fs.FileMode) error
	// Chmod changes the permissions of a name.
	Chmod(name string, perm fs.FileMode) error
	// SyncDir makes the names in a folder survive a power loss.
	SyncDir(name string) error
	// Usage tells the room left.
	Usage() (Usage, error)
	// Writable tells whether this process may make names in a folder: nil, or why not.
	Writable(name string) error
	// Close lets the folder go, so that its file system can be unmounted.
	Close() error
}

// ReadFile reads a whole regular file of at most limit bytes; a larger one is
// an error that names the limit. It returns the description of the very file
// that was read.
func ReadFile(r Root, name string, limit int64) ([]byte, fs.FileInfo, error) {
	f, err := r.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if fi.Size() > limit {
		return nil, nil, &fs.PathError{Op: "read", Path: name, Err: &TooLargeError{Size: fi.Size(), Limit: limit}}
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(data)) > limit {
		return nil, nil, &fs.PathError{Op: "read", Path: name, Err: &TooLargeError{Size: int64(len(data)), Limit: limit}}
	}
	return data, fi, nil
}
