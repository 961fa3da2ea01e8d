// Package filesystem keeps content in a folder of the machine: cars/<cid>.car
// beside upstream's records pins/<cid>.json. The folder may lie on a disk that
// is unplugged or a mount that hangs, so it is opened for each task, never made,
// and every system call below it goes through the backend's lane.
package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
)

// Config is what the backend's configuration says.
type Config struct {
	// Name of the backend.
	Name string
	// Path is the absolute path of its folder, which must be there.
	Path string
	// Content is "records" to keep upstream's records of pins alone; else CARs are kept.
	Content string
}

// ContentRecords is the value of Config.Content for records alone.
const ContentRecords = "records"

// Deps are what the adapter gets from the service.
type Deps struct {
	// Clock that checks are timed by, and the age of leftovers.
	Clock clock.Clock
	// Lane is the backend's own; it outlives the adapter.
	Lane *backend.Lane
	// WrapRoot, if set, stands between the adapter and its folder.
	WrapRoot func(fsys.Root) fsys.Root
	// Stall is how long a single call of a transfer may hang; 0 means 5 minutes.
	Stall time.Duration
	// ProbeTimeout is how long a single call of a check may hang; 0 means 30 seconds.
	ProbeTimeout time.Duration
	// Limits of the CARs that are verified; zero fields take the defaults.
	Limits carfile.Limits
}

const (
	defaultStall        = 5 * time.Minute
	defaultProbeTimeout = 30 * time.Second
)

// Names below the backend's folder.
const (
	carsDir    = "cars"
	pinsDir    = "pins"
	backupsDir = "backups"
	carExt     = ".car"
	pinExt     = ".json"
	sentinel   = ".ipfs-kit-backend.json"
)

// Adapter is an opened folder; see backend.Adapter.
type Adapter struct {
	cfg    Config
	deps   Deps
	root   fsys.Root
	closed atomic.Bool
}

var _ backend.Adapter = (*Adapter)(nil)

// Open opens the folder for one task. A folder that isn't there is a
// *backend.Error of class configuration that wraps fs.ErrNotExist.
func Open(ctx context.Context, cfg Config, deps Deps) (*Adapter, error) {
	op := fmt.Sprintf("open the folder of backend %s", cfg.Name)
	if cfg.Path == "" || !filepath.IsAbs(cfg.Path) {
		return nil, &backend.Error{
			Class: backend.ClassConfiguration, Op: op, Err: fmt.Errorf("its path %q is not absolute", cfg.Path),
			Hint: "set storage_path to an absolute path in its configuration",
		}
	}
	switch cfg.Content {
	case "", "content", "car", "cars", ContentRecords:
	default:
		return nil, &backend.Error{
			Class: backend.ClassConfiguration, Op: op, Err: fmt.Errorf("content is %q", cfg.Content),
			Hint: `set content to "records" or "cars", or leave it out`,
		}
	}
	if deps.Stall <= 0 {
		deps.Stall = defaultStall
	}
	if deps.ProbeTimeout <= 0 {
		deps.ProbeTimeout = defaultProbeTimeout
	}
	a := &Adapter{cfg: cfg, deps: deps}
	var root fsys.Root
	err := deps.Lane.Call(ctx, backend.Call{
		What: "open " + cfg.Path, Deadline: deps.ProbeTimeout,
		Run: func() (err error) { root, err = openRoot(cfg.Path); return err },
		Late: func(err error) {
			if err == nil {
				_ = root.Close() // nobody is left to tell
			}
		},
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &backend.Error{
			Class: backend.ClassConfiguration, Op: op, Err: err,
			Hint: fmt.Sprintf("mount its disk, or make the folder %s if it is new", cfg.Path),
		}
	}
	if err != nil {
		return nil, a.classify(op, err)
	}
	if deps.WrapRoot != nil {
		root = deps.WrapRoot(root)
	}
	a.root = root
	return a, nil
}

// openRoot is fsys.OpenRoot, with an error that tells when there is something else than a folder.
func openRoot(name string) (fsys.Root, error) {
	root, err := fsys.OpenRoot(name)
	if err == nil {
		return root, nil
	}
	if fi, serr := os.Stat(name); serr == nil && !fi.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	return nil, err
}

// Close lets the folder go, at the latest when a call that hangs has returned.
func (a *Adapter) Close() error {
	if a.closed.Swap(true) {
		return nil
	}
	var err error
	done := make(chan struct{})
	a.deps.Lane.Release("close "+a.cfg.Path, a.deps.Stall, func() { err = a.root.Close(); close(done) })
	select {
	case <-done:
		return err
	default:
		return nil
	}
}

// do makes a call of a transfer through the lane.
func (a *Adapter) do(ctx context.Context, what string, f func() error) error {
	return a.deps.Lane.Do(ctx, what+" below "+a.cfg.Path, a.deps.Stall, f)
}

func (a *Adapter) keepsCARs() bool { return a.cfg.Content != ContentRecords }
