package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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
