// Package watch tells what changed in a home: inotify at once, and a sweep now
// and then for what inotify can't see. Both say the same: look there. It decides
// nothing, and telling twice does no harm.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"ipfskit.org/intelligent/internal/clock"
)

// Change is something to look at.
type Change struct {
	// Rel is the changed name below the home; empty when Everything or Home is set.
	Rel string
	// Everything must be looked at: events were lost, or it is time to.
	Everything bool
	// Sweep says that nothing was heard: it is time for a look.
	Sweep bool
	// Home says that the home came (true in There) or went.
	Home, There bool
}

// Layout says what is worth watching. Names are relative to the home.
type Layout struct {
	// Fixed folders are watched always, those that are missing once they come.
	Fixed []string
	// Parent is the folder whose folders are watched too, with Children below each.
	Parent string
	// Children are names of folders below each of them.
	Children []string
}

// Options of a watcher.
type Options struct {
	// Home is the absolute path that is watched.
	Home string
	// Layout says what is watched below it.
	Layout Layout
	// Clock of the sweep.
	Clock clock.Clock
	// Sweep is the interval at which everything is looked at though nothing was heard.
	Sweep time.Duration
	// IsOwn tells whether a file is just what this program wrote: no news.
	IsOwn func(rel string, fi fs.FileInfo) bool
	// MaxWatches bounds the watches; 0: what the kernel allows.
	MaxWatches int
	// Open, if set, stands before the kernel's watch, for faults in tests.
	Open func() (*fsnotify.Watcher, error)
}

// Stats say how much is seen at once.
type Stats struct {
	// Watched folders, and those that are only seen by the sweep.
	Watched, Unwatched int
	// Network says that the home is on a file system that tells nothing of other machines' changes.
	Network bool
}

// Watcher watches one home.
type Watcher struct {
	o         Options
	fs        *fsnotify.Watcher // nil while the kernel gives none: the sweep sees all
	watched   map[string]bool   // relative folders
	unwatched map[string]bool
	layout    []string        // the folders of the layout that have a fixed name
	parents   map[string]bool // absolute folders above a home that is missing
	network   bool
	home      fs.FileInfo // nil while the home is missing
	parent    time.Time   // the parent's mtime when its folders were listed last
	stats     atomic.Pointer[Stats]
	sweep     chan time.Duration // another interval, which Run has not taken yet
	emptied   *time.Timer        // runs where something went from the home's own folder
}

// goneAfter is when it is looked whether a home is still there from which something went. The end of the home itself
// is heard of only where it is moved: whoever holds a folder open keeps the kernel from telling that it was removed.
const goneAfter = 200 * time.Millisecond

// New makes a watcher; Run does the work.
func New(o Options) *Watcher {
	w := &Watcher{o: o, layout: append(slices.Clone(o.Layout.Fixed), o.Layout.Parent), sweep: make(chan time.Duration, 1)}
	w.stats.Store(&Stats{})
	return w
}

// Stats are current.
func (w *Watcher) Stats() Stats { return *w.stats.Load() }

// SetSweep changes the interval of the sweep; the next one comes after it. Only one may call it at a time.
func (w *Watcher) SetSweep(d time.Duration) {
	select {
	case <-w.sweep:
	default: // none waits
	}
	w.sweep <- d
}

// Run tells out about every change until ctx ends. beat is called for each event
// and sweep, idle before each wait. Folders that come, go and are replaced are followed.
func (w *Watcher) Run(ctx context.Context, out func(Change), beat, idle func()) (err error) {
	if err := w.open(); err != nil {
		return err
	}
	defer func() {
		if w.fs != nil {
			err = errors.Join(err, w.fs.Close())
		}
	}()
	w.watched, w.unwatched, w.parents, w.home = map[string]bool{}, map[string]bool{}, map[string]bool{}, nil
	w.look(out)
	t := w.o.Clock.NewTimer(w.o.Sweep)
	defer t.Stop()
	w.emptied = w.o.Clock.NewTimer(goneAfter)
	w.emptied.Stop()
	defer w.emptied.Stop()
	for {
		events, failures := w.heard()
		idle()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, ok := <-events:
			if !ok {
				return errors.New("the kernel's watch ended")
			}
			beat()
			w.event(ev, out)
		case err, ok := <-failures:
			if !ok {
				return errors.New("the kernel's watch ended")
			}
			beat()
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch the home: %w", err)
			}
			w.forget() // a folder may have been replaced in what was lost
			w.look(out)
			out(Change{Everything: true})
		case w.o.Sweep = <-w.sweep:
			t.Reset(w.o.Sweep)
		case <-w.emptied.C:
			beat()
			if w.home != nil && w.stat() == nil {
				w.look(out)
			}
		case <-t.C:
			beat()
			t.Reset(w.o.Sweep)
			if err := w.open(); err != nil {
				return err
			}
			w.look(out)
			out(Change{Everything: true, Sweep: true})
		}
	}
}

// errNoWatch says that the kernel gives this account no more inotify instances.
var errNoWatch = errors.New("no inotify instance is left")

// open begins to listen, where it does not yet. A machine on which other programs
// have all instances of inotify costs the time to the next sweep, and nothing else.
func (w *Watcher) open() (err error) {
	if w.fs != nil {
		return nil
	}
	if w.o.Open != nil {
		w.fs, err = w.o.Open()
	} else {
		w.fs, err = fsnotify.NewBufferedWatcher(4096)
	}
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOSYS):
		w.fs = nil
		return nil
	case err != nil:
		return fmt.Errorf("watch the home: %w", err)
	}
	return nil
}

// heard is where events come from; nothing comes where there is no watch.
func (w *Watcher) heard() (<-chan fsnotify.Event, <-chan error) {
	if w.fs == nil {
		return nil, nil
	}
	return w.fs.Events, w.fs.Errors
}

// listen adds one folder to what the kernel tells of.
func (w *Watcher) listen(path string) error {
	if w.fs == nil {
		return errNoWatch
	}
	return w.fs.Add(path)
}

// look finds out whether the home is there, and watches what should be. A home
// that was replaced by another folder is told as one that went and one that came:
// whoever holds the old one open would go on with it.
func (w *Watcher) look(out func(Change)) {
	fi := w.stat()
	if fi == nil {
		w.watchParent()
		fi = w.stat() // it may have come before the watch stood
	}
	if w.home != nil && (fi == nil || !os.SameFile(w.home, fi)) {
		w.forget()
		w.home = nil
		if fi != nil {
			out(Change{Home: true})
		}
	}
	if fi == nil {
		out(Change{Home: true})
		return
	}
	w.home = fi
	w.leaveParents()
	w.network = onNetwork(w.o.Home)
	w.addAll(out)
	out(Change{Home: true, There: true})
}

// stat is the home's folder, nil where there is none.
func (w *Watcher) stat() fs.FileInfo {
	fi, err := os.Stat(w.o.Home)
	if err != nil || !fi.IsDir() {
		return nil
	}
	return fi
}

// event passes one event on.
func (w *Watcher) event(ev fsnotify.Event, out func(Change)) {
	rel, err := filepath.Rel(w.o.Home, ev.Name)
	switch {
	case err != nil:
		return
	case rel == "." || strings.HasPrefix(w.o.Home, ev.Name+"/"):
		w.look(out) // the home itself, or a folder above it
		return
	case !filepath.IsLocal(rel):
		return // a neighbour of the home
	}
	if ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename) {
		w.gone(rel)
		if filepath.Dir(rel) == "." {
			w.emptied.Reset(goneAfter)
		}
		out(Change{Rel: rel})
		return
	}
	fi, err := os.Lstat(ev.Name)
	if ev.Op == fsnotify.Chmod && (err != nil || fi.IsDir()) {
		return // no news of a folder, and a file that goes is told apart; one that may be read again is news
	}
	if err == nil && fi.IsDir() {
		w.folder(rel, out)
		return
	}
	if err == nil && w.o.IsOwn != nil && w.o.IsOwn(rel, fi) {
		return
	}
	out(Change{Rel: rel})
}
