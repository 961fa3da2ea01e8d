package home

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/parquetfile"
)

func parseISO(s string) (time.Time, bool) { return parquetfile.ParseTime(s) }

// ChangedMarks lists the backends, sorted, whose marks are not as they were when last was
// read of them, or may not be: new ones, changed ones, gone ones, and those that were too
// young to be sure of. It costs one call of the kernel a file; what they say, ReadDirty tells.
func (h *Home) ChangedMarks(ctx context.Context, last map[string]*Dirty) ([]string, error) {
	same := map[string]int{}
	changed := map[string]bool{}
	err := h.eachMark(ctx, func(name, file string, st stamp) {
		if d := last[name]; d != nil {
			if seen, ok := d.files[file]; ok && seen.sure && seen.stamp == st {
				same[name]++
				return
			}
		}
		changed[name] = true
	})
	if err != nil {
		return nil, err
	}
	for name, d := range last {
		if d.Settling || same[name] != len(d.files) {
			changed[name] = true
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}

// eachMark calls f for every file of marks in all places; of what is no plain file with a stamp that says so.
func (h *Home) eachMark(ctx context.Context, f func(name, file string, st stamp)) error {
	for _, dir := range []string{dirMarks, dirState} {
		err := h.scan(ctx, dir, func(e fsys.Entry, look func(string) (fsys.Look, error)) {
			file := path.Join(dir, e.Name)
			if kind, name := Classify(file); kind == Mark && safeName(name) && strings.HasSuffix(e.Name, suffixMark) {
				if l, err := look(e.Name); !absent(err) {
					f(name, file, plainStamp(l, err))
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return h.scan(ctx, dirBackends, func(e fsys.Entry, look func(string) (fsys.Look, error)) {
		spec := path.Join(dirBackends, e.Name, nameMark)
		switch {
		case !safeName(e.Name):
		case e.IsDir():
			l, err := look(e.Name + "/" + nameMark)
			switch {
			case absent(err):
			case err == nil && l.Type.IsRegular():
				f(e.Name, spec, stampOfLook(l))
			default:
				h.eachFile(e.Name, spec, f)
			}
		case e.Type&fs.ModeSymlink != 0:
			h.eachFile(e.Name, spec, f)
		}
	})
}

// eachFile is eachMark for the marks in a backend's own folder, where that is more than one plain file.
func (h *Home) eachFile(name, spec string, f func(name, file string, st stamp)) {
	for _, file := range h.specFiles(spec) {
		st, _, there := h.stat(file)
		if !there {
			st = stamp{} // reading it says what is wrong
		}
		f(name, file, st)
	}
}

// scan calls f for each name in a folder, with a way to look at it and at what lies in a
// folder of it. A folder that is not there has none.
func (h *Home) scan(ctx context.Context, dir string, f func(e fsys.Entry, look func(string) (fsys.Look, error))) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := h.root.OpenDir(dir)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	defer d.Close() //nolint:errcheck // only looked at
	entries, err := d.Entries()
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		f(e, d.Look)
	}
	return nil
}

// list lists a folder; one that is not there is empty.
func (h *Home) list(ctx context.Context, dir string) ([]fsys.Entry, error) {
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
	return append(files, h.specFiles(path.Join(dirBackends, name, nameMark))...)
}

// specFiles lists the files of marks in a backend's own folder: a file, or a folder of them.
func (h *Home) specFiles(spec string) []string {
	fi, err := h.root.Stat(spec)
	if absent(err) {
		return nil
	}
	if err != nil || !fi.IsDir() {
		return []string{spec} // reading it says what is wrong
	}
	entries, err := h.root.ReadDir(spec)
	if err != nil {
		return []string{spec} // reading it says what is wrong
	}
	var files []string
	for _, e := range entries {
		if kind, _ := Classify(path.Join(spec, e.Name)); kind == Mark && !e.IsDir() {
			files = append(files, path.Join(spec, e.Name))
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
	if known && c.sure && c.stamp == st {
		return c, true, nil
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
	m.file, m.stamp, m.sure = file, st, !st.fresh(h.clk.Now())
	if m.err == nil && !m.empty {
		m.actions = append(m.actions, h.noteActions(file, &m)...)
		m.forgetSynced()
	}
	h.mu.Lock()
	h.marks[file] = m
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
	s := summing{d: d, seen: map[string]bool{}, removed: map[string]bool{}}
	for i := range marks {
		m := &marks[i]
		fmt.Fprintf(&version, "%s:%s;", m.file, m.stamp)
		d.files[m.file] = seenFile{actions: m.inFile, lost: m.lost(), content: m.content, stamp: m.stamp, sure: m.sure}
		d.Actions += len(m.actions)
		d.LastSync = later(d.LastSync, m.lastSync)
		switch {
		case m.empty: // a hint, or the beginning of a mark that Python writes
			d.Settling = d.Settling || h.unsettled(m)
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
// What is no file at all is never written to its end.
func (h *Home) unparsed(d *Dirty, m *markFile) {
	if h.unsettled(m) && !errors.Is(m.err, fsys.ErrNotFile) {
		d.Settling = true
		return
	}
	d.IsDirty, d.Whole = true, true
	d.Unsynced, d.Bare = d.Unsynced+1, d.Bare+1
	d.Problems = append(d.Problems, Problem{File: m.file, Err: m.err})
	if m.stamp.mtime != 0 {
		d.since(time.Unix(0, m.stamp.mtime))
	}
}

// unsettled tells a file that may be in the middle of being written. A clock that went
// wrong makes files of the future, which would never settle.
func (h *Home) unsettled(m *markFile) bool {
	return m.stamp.mtime != 0 && h.clk.Now().Sub(time.Unix(0, m.stamp.mtime)).Abs() < h.settle
}

// summing collects CIDs, each once.
type summing struct {
	d *Dirty
	// seen are those to be stored, removed those to be removed.
	seen, removed map[string]bool
}

func (s *summing) add(m *markFile) {
	n := m.unsynced()
	if n == 0 {
		return
	}
	s.d.IsDirty = true
	s.d.Unsynced += n
	if len(m.actions) == 0 {
		s.d.Bare++
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
			s.d.Removes = appendNew(s.d.Removes, a.cids, s.removed)
		default:
			s.cids(a.cids)
		}
	}
}

func (s *summing) cids(list []string) { s.d.CIDs = appendNew(s.d.CIDs, list, s.seen) }

// appendNew appends what was not seen yet.
func appendNew(to, list []string, seen map[string]bool) []string {
	for _, c := range list {
		if !seen[c] {
			seen[c] = true
			to = append(to, c)
		}
	}
	return to
}

// since keeps the oldest time.
func (d *Dirty) since(t time.Time) {
	if !t.IsZero() && (d.Since.IsZero() || t.Before(d.Since)) {
		d.Since = t
	}
}
