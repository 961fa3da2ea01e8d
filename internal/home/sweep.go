package home

import (
	"context"
	"path"
	"strings"
)

// Sweep takes care of what a killed run left: a file of marks that was swapped
// out, and may hold an action of Python's that came in the same instant, is merged
// and then removed, as it would have been; all else is removed. It gives how many
// there were. The caller holds the home's lock, so that no other run is at work.
func (h *Home) Sweep(ctx context.Context) (int, error) {
	n := 0
	dirs := []string{dirMarks, dirState, dirIndex}
	entries, err := h.list(ctx, dirBackends)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, path.Join(dirBackends, e.Name))
		}
	}
	for len(dirs) > 0 {
		dir := dirs[0]
		dirs = dirs[1:]
		entries, err := h.list(ctx, dir)
		if err != nil {
			return n, err
		}
		for _, e := range entries {
			if e.IsDir() && e.Name == nameMark && path.Dir(dir) == dirBackends {
				dirs = append(dirs, path.Join(dir, nameMark))
			}
			if !strings.HasPrefix(e.Name, tempPrefix) || !strings.HasSuffix(e.Name, ".tmp") {
				continue
			}
			n++
			if c, ok := leftover(dir, e.Name); ok {
				h.lookLater(c, path.Join(dir, e.Name), nil)
				continue
			}
			if err := h.discard(path.Join(dir, e.Name)); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// leftover is the change that left a file of marks; false for any other file. (Of
// a mapping or registry nothing is merged: a row that somebody removed since would come back.)
func leftover(dir, temp string) (change, bool) {
	base := strings.TrimSuffix(strings.TrimPrefix(temp, tempPrefix), ".tmp")
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return change{}, false
	}
	name := path.Join(dir, base[:dot])
	kind, _ := Classify(name)
	return change{name: name, limit: maxMark, once: hasNoActions, merge: mergeMarks}, kind == Mark
}
