package service

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// inVirtualTime tests a service whose home is looked at by the sweep alone: the kernel's
// word of what changed would come in real time.
func inVirtualTime(t *testing.T, f func(*world)) {
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // files have the time of the real clock
		w := newWorld(t)
		w.o.Inotify = func() (*fsnotify.Watcher, error) { return nil, unix.EMFILE }
		f(w)
	})
}

// within waits for something to be true, in virtual time.
func (w *world) within(limit time.Duration, what string, good func() bool) {
	w.t.Helper()
	for end := time.Now().Add(limit); !good(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			w.t.Fatalf("%s passed in vain for: %s\n%s", limit, what, w.describe())
		}
	}
}

// A fault is what a disk does to the nth call: it fails, or hangs until the disk is another one.
type fault func(op, name string, n int) (err error, hangs bool)

// disk is what a folder lies on.
type disk struct {
	mu    sync.Mutex
	fault fault
	// changed is closed when the disk becomes another one.
	changed chan struct{}
	calls   int
	hung    int
}

func newDisk() *disk { return &disk{fault: faults["is well"], changed: make(chan struct{})} }

func (d *disk) set(f fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
	close(d.changed)
	d.changed = make(chan struct{})
}

// call is asked before each call. What hangs goes on when the disk is another one, or the service over.
func (d *disk) call(op, name string, over chan struct{}) error {
	d.mu.Lock()
	d.calls++
	err, hangs := d.fault(op, name, d.calls)
	changed := d.changed
	if hangs {
		d.hung++
	}
	d.mu.Unlock()
	if !hangs {
		return err
	}
	select {
	case <-changed:
	case <-over:
	}
	d.mu.Lock()
	d.hung--
	d.mu.Unlock()
	return nil
}

func (d *disk) hanging() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hung
}

var writes = []string{"create", "write", "mkdir", "rename", "link", "fsync", "syncdir"}

var faults = map[string]fault{
	"is well":            func(string, string, int) (error, bool) { return nil, false },
	"is dead":            func(string, string, int) (error, bool) { return unix.EIO, false },
	"fails now and then": func(_, _ string, n int) (error, bool) { return failEach(n, 5, unix.EIO), false },
	"hangs":              func(string, string, int) (error, bool) { return nil, true },
	"hangs now and then": func(_, _ string, n int) (error, bool) { return nil, n%7 == 0 },
	"is full": func(op, _ string, _ int) (error, bool) {
		if slices.Contains(writes, op) {
			return unix.ENOSPC, false
		}
		return nil, false
	},
}

func failEach(n, of int, err error) error {
	if n%of == 0 {
		return err
	}
	return nil
}
