package home

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/parquetfile"
)

// cachedPins counts a mapping; of its rows only the open ones are kept.
type cachedPins struct {
	counts PinCounts
	open   []Pin // pending and failed
}

func mappingFile(name string) string { return path.Join(dirBackends, name, fileMapping) }

// PinSummary counts a backend's mapping. An unchanged file costs one stat.
func (h *Home) PinSummary(ctx context.Context, name string) (PinCounts, error) {
	c, err := h.pinsOf(ctx, name)
	return c.counts, err
}

// OpenPins gives the rows of a mapping that are pending or failed.
func (h *Home) OpenPins(ctx context.Context, name string) ([]Pin, error) {
	c, err := h.pinsOf(ctx, name)
	return slices.Clone(c.open), err
}

func (h *Home) pinsOf(ctx context.Context, name string) (cachedPins, error) {
	file := mappingFile(name)
	st, there := h.look(file)
	h.mu.Lock()
	c, known := h.pins[name]
	if !there {
		delete(h.pins, name)
	}
	h.mu.Unlock()
	if !there {
		return cachedPins{}, nil
	}
	if known && c.counts.sure && c.counts.stamp == st {
		return c, nil
	}
	data, st, err := h.read(ctx, file, h.limits.FileBytes)
	if absent(err) {
		return cachedPins{}, nil
	}
	if err != nil {
		return c, fmt.Errorf("read %s: %w", file, err)
	}
	rows, err := parsePins(data, []string{"cid", "status", "created_at"}, h.limits)
	if err != nil {
		return c, fmt.Errorf("read %s: %w", file, err) // c: the last good data
	}
	c = cachedPins{counts: PinCounts{ByStatus: map[string]int{}, stamp: st, sure: !st.fresh(h.clk.Now())}}
	for _, p := range rows {
		c.counts.count(p)
		if p.Status == PinPending || p.Status == PinFailed {
			p.CreatedAt = ""
			c.open = append(c.open, p)
		}
	}
	h.mu.Lock()
	h.pins[name] = c
	h.mu.Unlock()
	return c, nil
}

// ReadPins reads all rows of a backend's mapping; none when it has no file.
func (h *Home) ReadPins(ctx context.Context, name string) ([]Pin, error) {
	file := mappingFile(name)
	data, _, err := h.read(ctx, file, h.limits.FileBytes)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	rows, err := parsePins(data, nil, h.limits)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return rows, nil
}

// ChangedMappings lists the backends, sorted, whose mappings are not as they were when
// last was counted, or may not be; also of folders that nothing else names. It costs one call of the kernel each.
func (h *Home) ChangedMappings(ctx context.Context, last map[string]PinCounts) ([]string, error) {
	var changed []string
	same := map[string]bool{}
	err := h.scan(ctx, dirBackends, func(e fsys.Entry, look func(string) (fsys.Look, error)) {
		switch {
		case !safeName(e.Name):
			return
		case e.IsDir():
			l, err := look(e.Name + "/" + fileMapping)
			c := last[e.Name]
			if absent(err) {
				return
			}
			if st := plainStamp(l, err); c.sure && c.stamp == st && st != (stamp{}) {
				same[e.Name] = true
				return
			}
		case e.Type&fs.ModeSymlink == 0:
			return
		}
		changed = append(changed, e.Name)
	})
	if err != nil {
		return nil, err
	}
	for name := range last {
		if !same[name] {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed), nil
}

// statuses that are common are shared, so that ten thousand rows don't hold ten thousand texts.
var statuses = map[string]string{PinStored: PinStored, PinPending: PinPending, PinFailed: PinFailed}

func parsePins(data []byte, columns []string, l parquetfile.Limits) ([]Pin, error) {
	t, err := parquetfile.Read(data, columns, l)
	if err != nil {
		return nil, err
	}
	if t.NumRows() > 0 && !t.Has("cid") {
		return nil, &parquetfile.UnsupportedError{Column: "cid", Feature: "a mapping without that column"}
	}
	rows := make([]Pin, t.NumRows())
	text := func(col string, i int) string {
		s, _ := t.Column(col).String(i) //nolint:errcheck // null is empty
		return s
	}
	for i := range rows {
		status := text("status", i)
		if s, ok := statuses[status]; ok {
			status = s
		}
		rows[i] = Pin{CID: text("cid", i), Status: status, CARPath: text("car_file_path", i), Backend: text("backend_name", i),
			CreatedAt: text("created_at", i), Metadata: text("metadata", i)}
	}
	return rows, nil
}

// LocalPins lists the CIDs of the local pin stores.
func (h *Home) LocalPins(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	for _, file := range []string{"pin_metadata/pins.parquet", "pins/pins.parquet"} {
		data, _, err := h.read(ctx, file, h.limits.FileBytes)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		rows, err := parsePins(data, []string{"cid"}, h.limits)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		for _, p := range rows {
			if p.CID != "" && !seen[p.CID] {
				seen[p.CID] = true
				out = append(out, p.CID)
			}
		}
	}
	return out, nil
}

// KeepMappingAside renames the mapping of a backend, beside it, so that a new one
// can be made; it tells the name that it has then, empty where there was none.
func (h *Home) KeepMappingAside(name string) (string, error) {
	if !safeName(name) {
		return "", fmt.Errorf("move the mapping of %q aside: that is no name of a backend", name)
	}
	file := mappingFile(name)
	kept := file + ".damaged-" + h.clk.Now().UTC().Format("20060102T150405.000000")
	err := h.root.Rename(file, kept)
	if absent(err) {
		return "", nil
	}
	if err == nil {
		err = h.root.SyncDir(path.Dir(file))
	}
	if err != nil {
		return "", fmt.Errorf("move %s aside: %w", file, err)
	}
	return kept, nil
}

// MappingFile is where a backend's mapping lies, below the home.
func MappingFile(name string) string { return mappingFile(name) }

// mappingColumns are upstream's; all are texts.
var mappingColumns = []parquetfile.ColumnSpec{{Name: "cid"}, {Name: "car_file_path"}, {Name: "backend_name"}, {Name: "created_at"}, {Name: "status"}, {Name: "metadata"}}

// UpdatePins changes or adds rows of a backend's mapping, all in one rewrite;
// rows and columns of others stay. The file and its folder are made if needed.
func (h *Home) UpdatePins(ctx context.Context, name string, updates []PinUpdate) error {
	if len(updates) == 0 {
		return nil
	}
	if !safeName(name) {
		return fmt.Errorf("update the mapping of %q: that is no name of a backend", name)
	}
	if err := h.makeFolder(path.Join(dirBackends, name)); err != nil {
		return fmt.Errorf("update the mapping of %s: %w", name, err)
	}
	now := h.clk.Now()
	err := h.replace(ctx, change{name: mappingFile(name), limit: h.limits.FileBytes,
		apply: func(old []byte) ([]byte, error) { return applyPins(old, name, updates, now, h.limits) },
		keep:  func(current []byte) ([]byte, error) { return keepPins(current, name, updates, now, h.limits) },
		merge: func(current, other []byte) ([]byte, error) {
			return mergeRows(current, other, "cid", h.limits)
		}})
	if err != nil {
		return fmt.Errorf("update the mapping of %s: %w", name, err)
	}
	return nil
}

// makeFolder makes a backend's own folder, if need be so that its name survives a power loss.
func (h *Home) makeFolder(dir string) error {
	if _, err := h.root.Stat(dir); !absent(err) {
		return err
	}
	return errors.Join(h.root.MkdirAll(dir, 0o755), h.root.SyncDir(path.Dir(dir)), h.root.SyncDir("."))
}

// applyPins makes the new content of a mapping; nil where it says all of it already.
func applyPins(old []byte, backend string, updates []PinUpdate, now time.Time, l parquetfile.Limits) ([]byte, error) {
	if len(old) == 0 {
		var rows []map[string]any
		for _, u := range updates {
			rows = append(rows, newPin(backend, u, now))
		}
		return parquetfile.New(mappingColumns, rows)
	}
	t, err := parquetfile.Read(old, []string{"cid", "status", "metadata"}, l)
	if err != nil {
		return nil, err
	}
	rowOf := make(map[string][]int, t.NumRows())
	for i := range t.NumRows() {
		if cid, ok := t.Column("cid").String(i); ok {
			rowOf[cid] = append(rowOf[cid], i)
		}
	}
	e := parquetfile.Edit{Set: map[string]map[int]any{}}
	for _, u := range updates {
		rows := rowOf[u.CID]
		if len(rows) == 0 {
			e.Append = append(e.Append, newPin(backend, u, now))
			continue
		}
		for _, i := range rows { // one CID may stand in several rows: they are about the same content
			editPin(&e, t, i, u, now)
		}
	}
	if len(e.Append) == 0 && len(e.Set) == 0 {
		return nil, nil
	}
	return parquetfile.Rewrite(old, e, l)
}

// keepPins puts rows back that were added and are gone; nil where all are there.
// What became of a row that is there is not ours to undo.
func keepPins(current []byte, backend string, updates []PinUpdate, now time.Time, l parquetfile.Limits) ([]byte, error) {
	t, err := parquetfile.Read(current, []string{"cid"}, l)
	if err != nil {
		return nil, err
	}
	have := make(map[string]bool, t.NumRows())
	for i := range t.NumRows() {
		if cid, ok := t.Column("cid").String(i); ok {
			have[cid] = true
		}
	}
	gone := slices.DeleteFunc(slices.Clone(updates), func(u PinUpdate) bool { return have[u.CID] })
	if len(gone) == 0 {
		return nil, nil
	}
	return applyPins(current, backend, gone, now, l)
}

// editPin sets the cells of one row that differ.
func editPin(e *parquetfile.Edit, t *parquetfile.Table, row int, u PinUpdate, now time.Time) {
	set := func(col string, v any) {
		if !t.Settable(col) {
			return
		}
		if e.Set[col] == nil {
			e.Set[col] = map[int]any{}
		}
		e.Set[col][row] = v
	}
	changed := false
	if s, _ := t.Column("status").String(row); s != u.Status { //nolint:errcheck // null is empty
		set("status", u.Status)
		changed = true
	}
	old, _ := t.Column("metadata").String(row) //nolint:errcheck // null is empty
	if meta := mergeMeta(old, u.Meta); meta != old && t.Settable("metadata") {
		set("metadata", meta)
		changed = true
	}
	if changed {
		set("updated_at", now.UTC())
	}
}

func newPin(backend string, u PinUpdate, now time.Time) map[string]any {
	return map[string]any{"cid": u.CID, "car_file_path": u.CARPath, "backend_name": backend,
		"created_at": now.UTC(), "status": u.Status, "metadata": mergeMeta("{}", u.Meta)}
}

// mergeMeta merges keys into the JSON of a row; what is no JSON object stays as it is.
func mergeMeta(old string, meta map[string]any) string {
	if len(meta) == 0 {
		return old
	}
	doc := map[string]any{}
	if old != "" {
		dec := json.NewDecoder(bytes.NewReader(standIn([]byte(old))))
		dec.UseNumber() // as it is written: no float has all digits
		if err := dec.Decode(&doc); err != nil || doc == nil || dec.More() {
			return old
		}
	}
	for k, v := range meta {
		if v == nil {
			delete(doc, k)
		} else {
			doc[k] = v
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return old
	}
	return pythons.Replace(string(out))
}
