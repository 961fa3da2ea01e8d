package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// fileLock is the lock of the one service that a home may have. It lies in the
// home itself, so that two services with different states see each other.
const fileLock = ".ipfs-kit-intelligent.lock"

// Owner is who serves a home.
type Owner struct {
	// PID of its process; 0: not known.
	PID int `json:"pid"`
	// Host is the name of its machine.
	Host string `json:"host"`
	// Bus is the address or name of the bus that it answers on.
	Bus string `json:"bus"`
	// Version of its program.
	Version string `json:"version"`
	// Since is when it took the home.
	Since time.Time `json:"since"`
}

// LockedError says who serves the home already.
type LockedError struct {
	// Home is its absolute path.
	Home string
	// Owner serves it; its PID is 0 where that is not known.
	Owner Owner
}

// Error names the owner, and says what to do.
func (e *LockedError) Error() string {
	if e.Owner.PID == 0 {
		return fmt.Sprintf("the home %s is served by another ipfs-kit-intelligent; stop that one first", e.Home)
	}
	return fmt.Sprintf("the home %s is served by process %d on %s (bus %s, since %s); stop that one first, or name another home with IPFS_KIT_HOME",
		e.Home, e.Owner.PID, e.Owner.Host, e.Owner.Bus, e.Owner.Since.Local().Format("2006-01-02 15:04:05"))
}

// Lock takes the home for one service, until the function it returns is called.
// A home that is taken is a *LockedError that names the holder.
func (h *Home) Lock(o Owner) (unlock func() error, err error) {
	path := filepath.Join(h.Path(), fileLock)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the home: %w", err)
	}
	if err := h.flock(f); err != nil {
		defer f.Close() //nolint:errcheck // the lock is what failed
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &LockedError{Home: h.Path(), Owner: readOwner(f)}
		}
		return nil, fmt.Errorf("lock the home: %w", err)
	}
	data, err := json.Marshal(o)
	if err == nil {
		err = errors.Join(f.Truncate(0), writeAt(f, append(data, '\n')))
	}
	// On a full disk the home is served all the same: the lock is held, it just does not say by whom.
	if err != nil && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return nil, errors.Join(fmt.Errorf("lock the home: %w", err), f.Close())
	}
	return func() error { return errors.Join(f.Truncate(0), f.Close()) }, nil
}

// Who asks who serves a home (ServedBy) holds its lock for an instant, so that a lock that is taken is tried again.
const (
	lockTries = 5
	lockWait  = 20 * time.Millisecond
)

// flock takes the lock of an open file.
func (h *Home) flock(f *os.File) error {
	for try := 1; ; try++ {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || try == lockTries || h.waitLook(lockWait) {
			return err
		}
	}
}

func writeAt(f *os.File, data []byte) error {
	_, err := f.WriteAt(data, 0)
	return err
}

func readOwner(f *os.File) (o Owner) {
	data := make([]byte, 4096)
	n, err := f.ReadAt(data, 0)
	if n == 0 && err != nil {
		return o
	}
	if json.Unmarshal(data[:n], &o) != nil {
		return Owner{}
	}
	return o
}

// ServedBy tells who holds the lock of the home at path; false when nobody does.
func ServedBy(path string) (Owner, bool) {
	f, err := os.OpenFile(filepath.Join(path, fileLock), os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Owner{}, false
	}
	defer f.Close() //nolint:errcheck // only read
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil {
		return Owner{}, false
	}
	return readOwner(f), true
}
