package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"ipfskit.org/intelligent/internal/parquetfile"
)

// cachedMark is a file of marks as it was read last.
type cachedMark struct {
	mark markFile
	// sure is false while the stamp is too young to be relied on.
	sure bool
}

func parseISO(s string) (time.Time, bool) { return parquetfile.ParseTime(s) }

// DirtyNames lists the backends that any place has marks of, clean ones too, sorted.
func (h *Home) DirtyNames(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	for _, dir := range []string{dirMarks, dirState} {
		names, err := h.list(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range names {
			if kind, name := Classify(path.Join(dir, e.Name())); kind == Mark && safeName(name) && strings.HasSuffix(e.Name(), suffixMark) {
				seen[name] = true
			}
		}
	}
	dirs, err := h.list(ctx, dirBackends)
	if err != nil {
		return nil, err
	}
	for _, e := range dirs {
		if !e.IsDir() || !safeName(e.Name()) {
			continue
		}
		if _, err := h.root.Lstat(path.Join(dirBackends, e.Name(), nameMark)); err == nil {
			seen[e.Name()] = true
		}
	}
	out := make([]string, 0, len(seen))
	for n := range seen {
		out = append(out, n)
	}
	slices.Sort(out)
	return out, nil
}

// list lists a folder; one that is not there is empty.
func (h *Home) list(ctx context.Context, dir string) ([]fs.DirEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := h.root.ReadDir(dir)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return entries, nil
}

// absent tells whether an error says that there is nothing of that name.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// markFiles lists the files where marks of a backend may stand.
func (h *Home) markFiles(name string) []string {
	files := []string{path.Join(dirMarks, name+suffixMark), path.Join(dirState, name+suffixMark)}
	spec := path.Join(dirBackends, name, nameMark)
	fi, err := h.root.Stat(spec)
	switch {
	case err != nil:
	case !fi.IsDir():
		files = append(files, spec)
	default:
		entries, err := h.root.ReadDir(spec)
		if err != nil {
			return append(files, spec) // reading it says what is wrong
		}
		for _, e := range entries {
			if kind, _ := Classify(path.Join(spec, e.Name())); kind == Mark && !e.IsDir() {
				files = append(files, path.Join(spec, e.Name()))
			}
		}
	}
	return files
}

// ReadDirty says what all marks of one backend say together. Files that did not
// change since the last read cost one stat each.
func (h *Home) ReadDirty(ctx context.Context, name string) (*Dirty, error) {
	if !safeName(name) {
		return nil, fmt.Errorf("read the marks of %q: that is no name of a backend", name)
	}
	var marks []markFile
	for _, file := range h.markFiles(name) {
		m, ok, err := h.readMark(ctx, file)
		if err != nil {
			return nil, err
		}
		if ok {
			marks = append(marks, m)
		}
	}
	return h.sum(name, marks), nil
}

// readMark reads one file of marks, from memory if it is the same as before.
// What can't be read at all is a mark that can't be parsed: it is no reason to lose the others.
func (h *Home) readMark(ctx context.Context, file string) (markFile, bool, error) {
	st, _, there := h.stat(file)
	h.mu.Lock()
	c, known := h.marks[file]
	if !there {
		delete(h.marks, file)
		delete(h.known, file)
	}
	h.mu.Unlock()
	if !there {
		return h.outOfReach(file)
	}
	if known && c.sure && c.mark.stamp == st {
		return c.mark, true, nil
	}
	data, st, err := h.read(ctx, file, maxMark)
	if absent(err) {
		return markFile{}, false, nil
	}
	if ctx.Err() != nil {
		return markFile{}, false, ctx.Err()
	}
	m := markFile{err: err}
	if err == nil {
		m = parseMark(data)
	}
	m.file, m.stamp = file, st
	if m.err == nil && !m.empty {
		m.actions = append(m.actions, h.noteActions(file, &m)...)
		m.forgetSynced()
	}
	h.mu.Lock()
	h.marks[file] = cachedMark{mark: m, sure: !st.fresh(h.clk.Now())}
	h.mu.Unlock()
	return m, true, nil
}

// outOfReach tells a file of marks that is not there from one that is and can't be followed, out of the home for example.
func (h *Home) outOfReach(file string) (markFile, bool, error) {
	_, err := h.root.Stat(file)
	if err == nil || absent(err) {
		return markFile{}, false, nil
	}
	m := markFile{file: file, err: err}
	if fi, err := h.root.Lstat(file); err == nil {
		m.stamp = stampOf(fi)
	}
	return m, true, nil
}

// sum adds up the files of one backend.
func (h *Home) sum(name string, marks []markFile) *Dirty {
	d := &Dirty{Backend: name, files: map[string]seenFile{}}
	var version strings.Builder
	s := summing{d: d, seen: map[string]bool{}}
	for i := range marks {
		m := &marks[i]
		fmt.Fprintf(&version, "%s:%s;", m.file, m.stamp)
		d.files[m.file] = seenFile{actions: len(m.actions), stamp: m.stamp}
		d.Actions += len(m.actions)
		d.LastSync = later(d.LastSync, m.lastSync)
		switch {
		case m.empty:
		case m.err != nil:
			h.unparsed(d, m)
		default:
			s.add(m)
		}
	}
	d.Version = version.String()
	if now := h.clk.Now(); d.Since.After(now) { // by a clock that went wrong
		d.Since = now
	}
	return d
}

// unparsed is for a file that can't be parsed: it may be in the middle of being written; later it is a mark.
func (h *Home) unparsed(d *Dirty, m *markFile) {
	// A clock that went wrong makes files of the future, which would never settle.
	if age := h.clk.Now().Sub(time.Unix(0, m.stamp.mtime)); m.stamp.mtime != 0 && age.Abs() < h.settle {
		d.Settling = true
		return
	}
	d.IsDirty, d.Whole = true, true
	d.Unsynced++
	d.Problems = append(d.Problems, Problem{File: m.file, Err: m.err})
	if m.stamp.mtime != 0 {
		d.since(time.Unix(0, m.stamp.mtime))
	}
}

// summing collects CIDs, each once.
type summing struct {
	d    *Dirty
	seen map[string]bool
}

func (s *summing) add(m *markFile) {
	n := m.unsynced()
	if n == 0 {
		return
	}
	s.d.IsDirty = true
	s.d.Unsynced += n
	if len(m.actions) == 0 {
		s.d.since(m.updated)
		s.cids(m.affected)
		if len(m.affected) == 0 {
			s.d.Whole = true
		}
		return
	}
	for _, a := range m.actions {
		if a.synced {
			continue
		}
		s.d.since(a.at)
		switch {
		case len(a.cids) == 0 && len(m.affected) > 0:
			s.cids(m.affected)
		case len(a.cids) == 0:
			s.d.Whole = true
		case a.remove:
			for _, c := range a.cids {
				if !slices.Contains(s.d.Removes, c) {
					s.d.Removes = append(s.d.Removes, c)
				}
			}
		default:
			s.cids(a.cids)
		}
	}
}

func (s *summing) cids(list []string) {
	for _, c := range list {
		if !s.seen[c] {
			s.seen[c] = true
			s.d.CIDs = append(s.d.CIDs, c)
		}
	}
}

// since keeps the oldest time.
func (d *Dirty) since(t time.Time) {
	if !t.IsZero() && (d.Since.IsZero() || t.Before(d.Since)) {
		d.Since = t
	}
}
