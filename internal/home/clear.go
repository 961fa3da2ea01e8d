package home

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ClearDirty marks as synced what a sync verified, in every place, and nothing
// that came later; it gives what the marks say after. Where nothing unsynced is
// left, a file becomes what upstream's mark_backend_clean makes of it. A file that could
// not be read when it was seen stays as it is, and the marks stand for it.
func (h *Home) ClearDirty(ctx context.Context, name string, c Cleared) (*Dirty, error) {
	if c.Seen == nil {
		return nil, fmt.Errorf("clear the marks of %s: nothing was seen", name)
	}
	done := newDone(c)
	for _, file := range h.markFiles(name) {
		if slices.ContainsFunc(c.Seen.Problems, func(p Problem) bool { return p.File == file }) {
			continue
		}
		seen := c.Seen.files[file]
		err := h.replace(ctx, change{name: file, limit: maxMark,
			apply: func(old []byte) ([]byte, error) { return h.clearMark(file, old, seen, done) },
			note:  func(other []byte) { h.noteOther(file, other) },
			once:  hasNoActions,
			merge: func(current, other []byte) ([]byte, error) {
				h.noteOther(file, other)
				return mergeMarks(current, other)
			}})
		if err != nil {
			return nil, fmt.Errorf("clear the marks of %s: %w", name, err)
		}
	}
	d, err := h.ReadDirty(ctx, name)
	if err != nil || d.IsDirty || d.Settling {
		return d, err
	}
	return d, h.dropFlag(name)
}

// dropFlag removes the empty flag beside a mark, as upstream does.
func (h *Home) dropFlag(name string) error {
	flag := path.Join(dirMarks, name+".dirty")
	if err := h.root.Remove(flag); err != nil && !absent(err) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the flag of %s: %w", name, err)
	}
	return nil
}

// done is what was verified, for quick looks.
type done struct {
	cids, removed  map[string]bool
	whole, dismiss bool
}

func newDone(c Cleared) done {
	d := done{cids: map[string]bool{}, removed: map[string]bool{}, whole: c.Whole, dismiss: c.Dismiss}
	for _, cid := range c.CIDs {
		d.cids[cid] = true
	}
	for _, cid := range c.Removed {
		d.removed[cid] = true
	}
	return d
}

// open tells which CIDs of an action are still open. seen: the action was there when the sync began.
func (d *done) open(a action, seen bool) []string {
	if d.dismiss && seen {
		return nil
	}
	have := d.cids
	if a.remove {
		have = d.removed
	}
	return slices.DeleteFunc(slices.Clone(a.cids), func(c string) bool { return have[c] })
}

// clearMark makes the new content of one file; nil where nothing changes.
func (h *Home) clearMark(file string, old []byte, seen seenFile, d done) ([]byte, error) {
	if len(old) == 0 {
		return nil, nil
	}
	doc, err := parseObject(old)
	if err != nil {
		return nil, nil //nolint:nilerr // what can't be parsed is kept as it is
	}
	restored := h.restoreLost(file, doc)
	m := markOf(doc)
	if m.unsynced() == 0 {
		return nil, nil
	}
	now := h.clk.Now()
	if len(m.actions) == 0 {
		open := slices.DeleteFunc(slices.Clone(m.affected), func(c string) bool { return d.cids[c] })
		same := seen.content == digestOf(old) // else it was set again since
		if len(m.affected) > 0 && len(open) == 0 || same && (d.whole && len(m.affected) == 0 || d.dismiss) {
			clean(doc, file, now)
			return python(doc), nil
		}
		return nil, nil
	}
	left, changed := markActions(doc, m, seen, d)
	if !changed && !restored {
		return nil, nil
	}
	if left == 0 {
		clean(doc, file, now)
	} else if restored {
		doc.set("is_dirty", true)
	}
	h.synced(file, doc)
	return python(doc), nil
}

// markActions marks as synced the actions that are done. Of those that are done
// in part the CIDs that were verified are dropped, as upstream does.
func markActions(doc *object, m markFile, seen seenFile, d done) (left int, changed bool) {
	list := doc.get("pending_actions").([]any) //nolint:forcetypeassert // parseMark found actions in it
	type partly struct {
		o    *object
		open []string
	}
	var parts []partly
	dropped := map[string]bool{}
	affectedDone := len(m.affected) > 0 && allIn(m.affected, d.cids)
	for i, a := range m.actions {
		o, ok := list[i].(*object)
		if a.synced {
			continue
		}
		wasSeen := i < seen.actions || seen.lost[identity(list[i])]
		open := d.open(a, wasSeen)
		complete := len(open) == 0
		if len(a.cids) == 0 {
			complete = wasSeen && (d.whole || d.dismiss)
			if !d.whole && !d.dismiss && len(m.affected) > 0 {
				complete = wasSeen && affectedDone
			}
		}
		switch {
		case !ok: // no action that this program understands: only a person can give it up
			if d.dismiss && wasSeen {
				list[i] = syncedStub(list[i])
				changed = true
				continue
			}
			left++
		case complete:
			o.set("synced", true)
			changed = true
			for _, c := range a.cids {
				dropped[c] = true
			}
		default:
			left++
			if len(open) < len(a.cids) {
				parts = append(parts, partly{o, open})
				changed = true
			}
		}
	}
	if left == 0 {
		return 0, changed
	}
	for _, p := range parts {
		p.o.set("cids", anys(p.open))
	}
	if _, ok := doc.get("affected_cids").([]any); ok && changed {
		rest := slices.DeleteFunc(slices.Clone(m.affected), func(c string) bool { return d.cids[c] || d.removed[c] || dropped[c] })
		doc.set("affected_cids", anys(rest))
	}
	return left, changed
}

func allIn(list []string, set map[string]bool) bool {
	for _, c := range list {
		if !set[c] {
			return false
		}
	}
	return true
}

func syncedStub(v any) any {
	o := newObject()
	o.set("action", v)
	o.set("synced", true)
	return o
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// clean is mark_backend_clean's transformation, or clear_dirty_state's for the adapters' own store.
func clean(doc *object, file string, now time.Time) {
	doc.set("is_dirty", false)
	if strings.HasPrefix(file, dirState+"/") {
		doc.set("last_synced", now.Format("2006-01-02T15:04:05.000000"))
		doc.set("sync_required", false)
		return
	}
	if list, ok := doc.get("pending_actions").([]any); ok {
		for _, e := range list {
			if o, ok := e.(*object); ok {
				o.set("synced", true)
			}
		}
	}
	doc.set("affected_cids", []any{})
	doc.set("last_sync", pythonEpoch(now))
}

// pythonEpoch is time.time() as Python writes it.
func pythonEpoch(t time.Time) json.Number {
	s := strconv.FormatFloat(float64(t.UnixMicro())/1e6, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return json.Number(s)
}

// hasNoActions tells whether a mark is set or cleared as a whole.
func hasNoActions(data []byte) bool {
	m := parseMark(data)
	return m.err == nil && len(m.actions) == 0
}

// mergeMarks adds the actions of other that current doesn't have; nil when there are none.
func mergeMarks(current, other []byte) ([]byte, error) {
	theirs, err := parseObject(other)
	if err != nil {
		return nil, err
	}
	ours, err := parseObject(current)
	if err != nil {
		return nil, err
	}
	have := map[string]int{}
	ourList, _ := ours.get("pending_actions").([]any)     //nolint:errcheck // another type has no actions
	theirList, _ := theirs.get("pending_actions").([]any) //nolint:errcheck // another type has no actions
	for _, a := range ourList {
		have[identity(a)]++
	}
	added := false
	affected, seen := texts(ours.get("affected_cids")), map[string]bool{}
	for _, c := range affected {
		seen[c] = true
	}
	for _, a := range theirList {
		id := identity(a)
		if have[id] > 0 {
			have[id]--
			continue
		}
		ourList = append(ourList, a)
		added = true
		if o, ok := a.(*object); ok && !truthy(o.get("synced")) {
			ours.set("is_dirty", true)
			affected = appendNew(affected, texts(o.get("cids")), seen)
		}
	}
	if len(theirList) == 0 && truthy(theirs.get("is_dirty")) && !truthy(ours.get("is_dirty")) {
		ours.set("is_dirty", true)
		added = true
	}
	if !added {
		return nil, nil
	}
	if len(ourList) > 0 {
		ours.set("pending_actions", ourList)
		ours.set("affected_cids", anys(affected))
	}
	return python(ours), nil
}
