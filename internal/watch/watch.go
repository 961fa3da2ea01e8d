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
	"golang.org/x/sys/unix"

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
}

// New makes a watcher; Run does the work.
func New(o Options) *Watcher {
	w := &Watcher{o: o, layout: append(slices.Clone(o.Layout.Fixed), o.Layout.Parent)}
	w.stats.Store(&Stats{})
	return w
}

// Stats are current.
func (w *Watcher) Stats() Stats { return *w.stats.Load() }

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

// forget drops all watches in the home.
func (w *Watcher) forget() {
	for rel := range w.watched {
		w.drop(rel)
	}
	clear(w.unwatched)
	w.parent = time.Time{}
	w.count()
}

// watchParent watches the nearest folder that exists above a home that doesn't.
func (w *Watcher) watchParent() {
	if w.fs == nil {
		return
	}
	for dir := filepath.Dir(w.o.Home); ; dir = filepath.Dir(dir) {
		if w.listen(dir) == nil {
			w.parents[dir] = true
			return
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// leaveParents ends the watches above the home: all that happens in a person's
// folder would be heard.
func (w *Watcher) leaveParents() {
	for dir := range w.parents {
		w.fs.Remove(dir) //nolint:errcheck // it went: nothing is watched there
		delete(w.parents, dir)
	}
}

// addAll watches every folder of the layout that is there and not watched yet.
func (w *Watcher) addAll(out func(Change)) {
	for _, rel := range w.o.Layout.Fixed {
		w.add(rel)
	}
	w.addChildren(out)
	w.count()
}

// addChildren watches the folders of the parent. As long as all of them are
// watched, and the parent is as it was, there is nothing new to find.
func (w *Watcher) addChildren(out func(Change)) {
	dir := filepath.Join(w.o.Home, w.o.Layout.Parent)
	fi, err := os.Stat(dir)
	if err != nil {
		w.parent = time.Time{}
		return
	}
	if fi.ModTime().Equal(w.parent) && len(w.unwatched) == 0 && w.watched[w.o.Layout.Parent] {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	w.parent = fi.ModTime()
	for _, e := range entries {
		if e.IsDir() {
			w.addChild(filepath.Join(w.o.Layout.Parent, e.Name()), out)
		}
	}
}

func (w *Watcher) count() {
	w.stats.Store(&Stats{Watched: len(w.watched), Unwatched: len(w.unwatched), Network: w.network})
}

// addChild watches a folder of the parent and what is watched below it; what is new is looked at.
func (w *Watcher) addChild(rel string, out func(Change)) {
	fresh := w.add(rel)
	for _, c := range w.o.Layout.Children {
		if w.add(filepath.Join(rel, c)) {
			fresh = true
		}
		if fresh {
			out(Change{Rel: filepath.Join(rel, c)}) // it may have been written before the watch stood
		}
	}
}

// add watches one folder; true when it is a new one.
func (w *Watcher) add(rel string) bool {
	if w.watched[rel] {
		return false
	}
	path := filepath.Join(w.o.Home, rel)
	fi, err := os.Lstat(path)
	if err != nil || !fi.IsDir() {
		delete(w.unwatched, rel)
		return false
	}
	if w.o.MaxWatches > 0 && len(w.watched) >= w.o.MaxWatches {
		w.unwatched[rel] = true
		return false
	}
	switch err := w.listen(path); {
	case errors.Is(err, syscall.ENOSPC): // the kernel's limit: the sweep sees the rest
		w.unwatched[rel] = true
		return false
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil: // such as one that must not be read: tried again at each sweep
		w.unwatched[rel] = true
		return false
	}
	delete(w.unwatched, rel)
	w.watched[rel] = true
	return true
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
	if ev.Has(fsnotify.Chmod) && !ev.Has(fsnotify.Write|fsnotify.Create|fsnotify.Remove|fsnotify.Rename) {
		return
	}
	if ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename) {
		w.gone(rel)
		out(Change{Rel: rel})
		return
	}
	fi, err := os.Lstat(ev.Name)
	if err == nil && fi.IsDir() {
		w.folder(rel, out)
		return
	}
	if err == nil && w.o.IsOwn != nil && w.o.IsOwn(rel, fi) {
		return
	}
	out(Change{Rel: rel})
}

// gone forgets the watches of a folder that was deleted or moved away, and of what
// was below it. It is called for each file that is replaced, so what is no folder
// of the layout must cost nothing.
func (w *Watcher) gone(rel string) {
	switch {
	case filepath.Dir(rel) == w.o.Layout.Parent:
		w.drop(rel)
		for _, c := range w.o.Layout.Children {
			w.drop(filepath.Join(rel, c))
		}
	case w.above(rel):
		for dir := range w.watched {
			if dir == rel || strings.HasPrefix(dir, rel+"/") {
				w.drop(dir)
			}
		}
		for dir := range w.unwatched {
			if strings.HasPrefix(dir, rel+"/") {
				delete(w.unwatched, dir)
			}
		}
	default:
		w.drop(rel)
	}
	w.count()
}

// drop ends the watch of one folder.
func (w *Watcher) drop(rel string) {
	delete(w.unwatched, rel)
	if w.watched[rel] {
		w.fs.Remove(filepath.Join(w.o.Home, rel)) //nolint:errcheck // it is gone: nothing is watched there
		delete(w.watched, rel)
	}
}

// above tells whether a folder of the layout is rel, or lies below it.
func (w *Watcher) above(rel string) bool {
	return slices.ContainsFunc(w.layout, func(dir string) bool {
		return dir == rel || strings.HasPrefix(dir, rel+"/")
	})
}

// folder watches a folder that came; whatever is in it may have come before the
// watch. Only what is new is looked at: many may come at once.
func (w *Watcher) folder(rel string, out func(Change)) {
	switch {
	case filepath.Dir(rel) == w.o.Layout.Parent:
		w.addChild(rel, out)
	case filepath.Dir(filepath.Dir(rel)) == w.o.Layout.Parent && slices.Contains(w.o.Layout.Children, filepath.Base(rel)):
		w.add(rel)
	case w.above(rel):
		w.parent = time.Time{}
		for _, dir := range w.o.Layout.Fixed {
			if w.add(dir) && dir != rel {
				w.within(dir, out)
			}
		}
		w.addChildren(out)
	}
	w.count()
	out(Change{Rel: rel})
	w.within(rel, out)
}

// within tells of all that lies in a folder.
func (w *Watcher) within(rel string, out func(Change)) {
	entries, err := os.ReadDir(filepath.Join(w.o.Home, rel))
	if err != nil {
		return
	}
	for _, e := range entries {
		out(Change{Rel: filepath.Join(rel, e.Name())})
	}
}

// network file systems, whose servers tell nothing of what other machines change.
var networkTypes = map[int64]bool{0x6969: true, 0xff534d42: true, 0xfe534d42: true, 0x517b: true, 0x65735546: true, 0x01021997: true, 0x00c36400: true}

func onNetwork(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && networkTypes[int64(st.Type)] //nolint:unconvert // its type differs between machines
}
