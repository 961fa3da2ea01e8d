package filesystem

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/human"
)

// scarce is the share of room or inodes in percent below which a disk counts as nearly full.
const scarce = 5

// Check reads the folder's room, its names and the sentinel, in the lane's slot
// for probes. It writes nothing.
func (a *Adapter) Check(ctx context.Context) (backend.Health, error) {
	op := fmt.Sprintf("check %s", a.cfg.Path)
	begin := a.deps.Clock.Now()
	u, err := a.statfs(ctx, true)
	if err != nil {
		return backend.Health{}, a.classify(op, err)
	}
	var sentinelErr, rightsErr error
	err = a.probe(ctx, "list "+a.cfg.Path, func() error {
		if _, err := a.root.ReadDir("."); err != nil {
			return err
		}
		_, sentinelErr = a.readSentinel()
		rightsErr = a.writable()
		return nil
	})
	if err != nil {
		return backend.Health{}, a.classify(op, err)
	}
	h := backend.Health{
		Latency: a.deps.Clock.Now().Sub(begin), Pins: -1,
		Usage: backend.Usage{UsedBytes: -1, AvailableBytes: available(u)},
	}
	h.Degraded = strings.Join(degraded(u, rightsErr, sentinelErr), "; ")
	return h, nil
}

// writable asks for the rights to write in the folder and in those that we made in it; its error says what to do.
func (a *Adapter) writable() error {
	err := a.writableIn(pinsDir)
	if a.keepsCARs() {
		err = cmp.Or(err, a.writableIn(carsDir))
	}
	if errors.Is(err, fs.ErrNotExist) { // it is still to be made
		err = a.writableIn(".")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writableIn asks for the rights in one folder below.
func (a *Adapter) writableIn(dir string) error {
	err := a.root.Writable(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var named *fs.PathError
	if errors.As(err, &named) {
		err = named.Err // whose name is that below the folder
	}
	return a.classify(filepath.Join(a.cfg.Path, dir), err)
}

func degraded(u fsys.Usage, rightsErr, sentinelErr error) []string {
	var out []string
	switch {
	case u.ReadOnly:
		out = append(out, "it can be read and not written: "+hintReadOnly)
	case rightsErr != nil:
		out = append(out, fmt.Sprintf("it can be read and not written: %v", rightsErr))
	}
	if u.TotalBytes > 0 && u.AvailableBytes < u.TotalBytes/100*scarce {
		out = append(out, fmt.Sprintf("its disk is nearly full: %s of %s are free", human.Bytes(u.AvailableBytes), human.Bytes(u.TotalBytes)))
	}
	// File systems without a fixed number of inodes tell 0.
	if u.TotalInodes > 0 && u.AvailableInodes < u.TotalInodes/100*scarce {
		out = append(out, fmt.Sprintf("its disk has nearly no inodes left: %d of %d", u.AvailableInodes, u.TotalInodes))
	}
	if sentinelErr != nil && !errors.Is(sentinelErr, fs.ErrNotExist) {
		out = append(out, sentinelErr.Error())
	}
	return out
}

func (a *Adapter) probe(ctx context.Context, what string, f func() error) error {
	return a.deps.Lane.Probe(ctx, what, a.deps.ProbeTimeout, f)
}

func (a *Adapter) statfs(ctx context.Context, probe bool) (fsys.Usage, error) {
	var u fsys.Usage
	do := a.do
	if probe {
		do = a.probe
	}
	err := do(ctx, "statfs "+a.cfg.Path, func() (err error) { u, err = a.root.Usage(); return err })
	if err != nil {
		return fsys.Usage{}, err
	}
	return u, nil
}

// Usage adds up what lies in the folders of ours and of upstream's layout, and tells the room left.
func (a *Adapter) Usage(ctx context.Context) (backend.Usage, error) {
	u, err := a.statfs(ctx, false)
	if err != nil {
		return backend.Usage{}, a.classify("ask for room", err)
	}
	var used int64
	for _, dir := range []string{carsDir, pinsDir, backupsDir, "buckets", "metadata"} {
		err := a.walkSome(ctx, dir, everything, func(_ string, fi fs.FileInfo) error { used += fi.Size(); return nil })
		if err != nil {
			return backend.Usage{}, a.classify("add up what is stored", err)
		}
	}
	return backend.Usage{UsedBytes: used, AvailableBytes: available(u)}, nil
}

// available is the room left in bytes; -1 where the file system does not tell, as some in user space.
func available(u fsys.Usage) int64 {
	if u.TotalBytes == 0 {
		return -1
	}
	return int64(min(u.AvailableBytes, 1<<62))
}

func everything(string) bool { return true }

// Sentinel reads the backend's identity; ErrNotStored when there is none, a
// *backend.CorruptError when it can't be read.
func (a *Adapter) Sentinel(ctx context.Context) (backend.Sentinel, error) {
	var s backend.Sentinel
	err := a.do(ctx, "read "+sentinel, func() (err error) { s, err = a.readSentinel(); return err })
	if err != nil {
		return backend.Sentinel{}, a.classify("read the backend's identity", notStored(sentinel, err))
	}
	return s, nil
}

const maxSentinel = 64 << 10

// readSentinel is called inside the lane.
func (a *Adapter) readSentinel() (backend.Sentinel, error) {
	data, _, err := fsys.ReadFile(a.root, sentinel, maxSentinel)
	var large *fsys.TooLargeError
	if err != nil && !errors.As(err, &large) {
		return backend.Sentinel{}, err
	}
	var s backend.Sentinel
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err == nil && s.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return backend.Sentinel{}, &backend.CorruptError{What: "the backend's identity " + sentinel, Err: err}
	}
	return s, nil
}

// WriteSentinel writes the backend's identity.
func (a *Adapter) WriteSentinel(ctx context.Context, s backend.Sentinel) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the backend's identity: %w", err)
	}
	return a.withRoom(a.classify("write the backend's identity", a.writeSmall(ctx, sentinel, append(data, '\n'))))
}
