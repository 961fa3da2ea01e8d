package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/parquetfile"
)

// Options of a home.
type Options struct {
	// Clock that settle times are told by.
	Clock clock.Clock
	// Settle is how long a file that can't be parsed may be in the middle of being written; 0: two seconds.
	Settle time.Duration
	// WrapRoot, if set, stands between the home and its folder, for faults in tests.
	WrapRoot func(fsys.Root) fsys.Root
}

// Home is an open ~/.ipfs_kit. It is safe for concurrent use. It is never
// created here, and nothing in it is written but marks, mappings and the backend registry.
type Home struct {
	root   fsys.Root
	clk    clock.Clock
	settle time.Duration
	limits parquetfile.Limits

	mu      sync.Mutex
	locks   map[string]*sync.Mutex // one writer a file
	own     map[string]stamp       // what this program wrote last, by name
	marks   map[string]markFile
	known   map[string]map[string]knownAction // unsynced actions by file and identity
	pins    map[string]cachedPins
	config  map[string]cachedConfig
	rows    cached[[]RegistryRow]
	tables  map[string]cachedTable
	indices map[string]cachedIndex
	buckets *cachedBuckets

	// late looks after writers that had a file open across an exchange.
	late    looks
	closing chan struct{}
	once    sync.Once
}

// Open opens the home at path. fs.ErrNotExist means that it isn't there (yet).
func Open(path string, o Options) (*Home, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the home %s: %w", path, err)
	}
	root, err := fsys.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("open the home: %w", err)
	}
	if o.WrapRoot != nil {
		root = o.WrapRoot(root)
	}
	if o.Settle == 0 {
		o.Settle = 2 * time.Second
	}
	return &Home{root: root, clk: o.Clock, settle: o.Settle, limits: parquetfile.DefaultLimits(),
		locks: map[string]*sync.Mutex{}, own: map[string]stamp{}, marks: map[string]markFile{}, known: map[string]map[string]knownAction{}, pins: map[string]cachedPins{},
		config: map[string]cachedConfig{}, tables: map[string]cachedTable{}, indices: map[string]cachedIndex{}, closing: make(chan struct{})}, nil
}

// Path is the home's absolute path.
func (h *Home) Path() string { return h.root.Path() }

// Here tells whether the folder at its path is still this one, and not another that
// took its place. A disk that reports an error tells neither: then it is still this one.
func (h *Home) Here() bool {
	mine, err := h.root.Stat(".")
	if errors.Is(err, syscall.EIO) {
		return true
	}
	if err != nil {
		return false
	}
	there, err := os.Stat(h.root.Path())
	return err == nil && os.SameFile(mine, there)
}

// Root is the home's folder, for backups and restores.
func (h *Home) Root() fsys.Root { return h.root }

// Close waits for changes that are being made, takes the last looks that wait, and lets the folder go.
func (h *Home) Close() error {
	h.late.refuse()
	h.once.Do(func() { close(h.closing) })
	h.late.Wait()
	return h.root.Close()
}

// lock takes the writer's place of one file.
func (h *Home) lock(name string) func() {
	h.mu.Lock()
	l, ok := h.locks[name]
	if !ok {
		l = &sync.Mutex{}
		h.locks[name] = l
	}
	h.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// read reads a file of at most limit bytes with the stamp of the very bytes read.
func (h *Home) read(ctx context.Context, name string, limit int64) ([]byte, stamp, error) {
	if err := ctx.Err(); err != nil {
		return nil, stamp{}, err
	}
	data, fi, err := fsys.ReadFile(h.root, name, limit)
	if err != nil {
		return nil, stamp{}, err
	}
	return data, stampOf(fi), nil
}

// look gives the stamp of a file; false when there is none. One that can't be looked at, such as a link
// that leads out of the home, is there: reading it says why.
func (h *Home) look(name string) (stamp, bool) {
	fi, err := h.root.Stat(name)
	if err != nil {
		return stamp{}, !absent(err)
	}
	return stampOf(fi), true
}

// stat gives the stamp of a file; false when there is none.
func (h *Home) stat(name string) (stamp, fs.FileInfo, bool) {
	fi, err := h.root.Stat(name)
	if err != nil {
		return stamp{}, nil, false
	}
	return stampOf(fi), fi, true
}
