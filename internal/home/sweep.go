package home

import (
	"context"
	"path"
	"strings"
	"time"
)

// sweepAge is how old a temporary file of ours must be to be a dead run's.
const sweepAge = time.Minute

// Sweep takes care of what a killed run left: a file that was swapped out and may
// hold an action of Python's that came in the same instant is merged, then
// removed. It gives how many there were.
func (h *Home) Sweep(ctx context.Context) (int, error) {
	n := 0
	dirs := []string{dirMarks, dirState, dirIndex}
	entries, err := h.list(ctx, dirBackends)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, path.Join(dirBackends, e.Name()))
		}
	}
	for _, dir := range dirs {
		entries, err := h.list(ctx, dir)
		if err != nil {
			return n, err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), tempPrefix) || !strings.HasSuffix(e.Name(), ".tmp") {
				continue
			}
			name := path.Join(dir, e.Name())
			if _, fi, there := h.stat(name); !there || h.clk.Now().Sub(fi.ModTime()) < sweepAge {
				continue
			}
			h.mergeLeftover(ctx, dir, e.Name())
			if err := h.discard(name); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// mergeLeftover merges one file of marks that was swapped out; half a file, and anything else, has nothing to merge.
func (h *Home) mergeLeftover(ctx context.Context, dir, temp string) {
	base := strings.TrimSuffix(strings.TrimPrefix(temp, tempPrefix), ".tmp")
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 {
		return
	}
	name := path.Join(dir, base[:dot])
	if kind, _ := Classify(name); kind != Mark {
		return
	}
	data, _, err := h.read(ctx, path.Join(dir, temp), maxMark)
	if err != nil || len(data) == 0 {
		return
	}
	h.mergeLate(change{name: name, limit: maxMark, merge: mergeMarks}, data) //nolint:errcheck // half a file has nothing to merge
}
