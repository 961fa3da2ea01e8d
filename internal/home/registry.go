package home

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/parquetfile"
)

var registryColumns = []string{"name", "type", "endpoint", "health_status", "last_check", "response_time_ms", "error_count",
	"pin_count", "storage_usage", "last_sync", "status", "last_backup"}

// ReadRegistry reads the backend registry, in any of its three schemas. An
// unchanged file costs one stat; no file is no rows. On an error the last good rows come with it.
func (h *Home) ReadRegistry(ctx context.Context) ([]RegistryRow, error) {
	st, there := h.look(fileRegistry)
	h.mu.Lock()
	c := h.rows
	h.mu.Unlock()
	if !there {
		return nil, nil
	}
	if c.set && c.stamp == st {
		return c.value, nil
	}
	data, st, err := h.read(ctx, fileRegistry, h.limits.FileBytes)
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return c.value, fmt.Errorf("read %s: %w", fileRegistry, err)
	}
	t, err := parquetfile.Read(data, registryColumns, h.limits)
	if err != nil {
		return c.value, fmt.Errorf("read %s: %w", fileRegistry, err)
	}
	if t.NumRows() > 0 && !t.Has("name") {
		return c.value, fmt.Errorf("read %s: %w", fileRegistry, &parquetfile.UnsupportedError{Column: "name", Feature: "a backend registry without names"})
	}
	rows := registryRows(t)
	h.mu.Lock()
	h.rows = cached[[]RegistryRow]{stamp: st, value: rows, set: !st.fresh(h.clk.Now())}
	h.mu.Unlock()
	return rows, nil
}

func registryRows(t *parquetfile.Table) []RegistryRow {
	rows := make([]RegistryRow, 0, t.NumRows())
	for i := range t.NumRows() {
		text := func(col string) string {
			s, _ := t.Column(col).String(i) //nolint:errcheck // null is empty
			return s
		}
		moment := func(col string) time.Time {
			m, _ := t.Column(col).Time(i) //nolint:errcheck // null is never
			return m
		}
		whole := func(col string) int64 {
			n, _ := t.Column(col).Int(i) //nolint:errcheck // null is none
			return n
		}
		r := RegistryRow{Name: text("name"), Type: text("type"), Endpoint: withoutCredentials(text("endpoint")), Health: strings.ToLower(text("health_status")),
			LastCheck: moment("last_check"), PinCount: whole("pin_count"), StorageUsage: whole("storage_usage"),
			LastSync: moment("last_sync"), LastBackup: moment("last_backup")}
		if ms, ok := t.Column("response_time_ms").Float(i); ok && ms >= 0 && !math.IsInf(ms, 0) {
			r.ResponseMS = ms
		}
		if r.Health != "healthy" && r.Health != "unhealthy" || r.LastCheck.IsZero() {
			r.Health = "unknown"
		}
		if safeName(r.Name) {
			rows = append(rows, r)
		}
	}
	return rows
}

// cleanHash is the pinset_hash that mark_backend_clean writes.
var cleanHash = "bafyaabai" + strings.Repeat("a", 51)

// healthColumns are upstream's columns of health, which its daemon adds to a registry of the CLI.
var healthColumns = []parquetfile.ColumnSpec{{Name: "name"}, {Name: "type"}, {Name: "endpoint"}, {Name: "health_status"}, {Name: "last_check"},
	{Name: "response_time_ms", Kind: parquetfile.Float}, {Name: "error_count", Kind: parquetfile.Integer},
	{Name: "pin_count", Kind: parquetfile.Integer}, {Name: "storage_usage", Kind: parquetfile.Integer}}

// UpdateRegistry changes many rows in one rewrite. Columns that are not there are
// not added, save dirty, last_sync and pinset_hash in a registry of the CLI's
// schema. A backend without a row gets one only from a health check. A missing file is made only for health.
func (h *Home) UpdateRegistry(ctx context.Context, updates []RegistryUpdate) error {
	updates = slices.Clone(updates)
	slices.SortFunc(updates, func(a, b RegistryUpdate) int { return strings.Compare(a.Name, b.Name) })
	if _, _, there := h.stat(dirIndex); !there {
		return nil // upstream makes the folder; without it nobody reads a registry
	}
	err := h.replace(ctx, change{name: fileRegistry, limit: h.limits.FileBytes,
		apply: func(old []byte) ([]byte, error) { return applyRegistry(old, updates, h.limits) },
		merge: func(current, other []byte) ([]byte, error) { return mergeRows(current, other, "name", h.limits) }})
	if err != nil {
		return fmt.Errorf("update the backend registry: %w", err)
	}
	return nil
}

func applyRegistry(old []byte, updates []RegistryUpdate, l parquetfile.Limits) ([]byte, error) {
	e := parquetfile.Edit{Set: map[string]map[int]any{}}
	if len(old) == 0 {
		for _, u := range updates {
			if u.Health != nil {
				e.Append = append(e.Append, newRegistryRow(u))
			}
		}
		if len(e.Append) == 0 {
			return nil, nil
		}
		return parquetfile.New(healthColumns, e.Append)
	}
	t, err := parquetfile.Read(old, append([]string{"dirty", "pinset_hash"}, registryColumns...), l)
	if err != nil {
		return nil, err
	}
	rowOf := make(map[string]int, t.NumRows())
	for i := range t.NumRows() {
		if n, ok := t.Column("name").String(i); ok {
			rowOf[n] = i
		}
	}
	cli := t.Has("capabilities") || t.Has("source") // the CLI's schema
	for _, u := range updates {
		row, known := rowOf[u.Name]
		switch {
		case known:
			editRegistry(&e, t, row, u, cli)
		case u.Health != nil:
			e.Append = append(e.Append, newRegistryRow(u))
		}
	}
	if len(e.Append) == 0 && len(e.Set) == 0 {
		return nil, nil
	}
	return parquetfile.Rewrite(old, e, l)
}

// editRegistry sets the cells of one row that differ.
func editRegistry(e *parquetfile.Edit, t *parquetfile.Table, row int, u RegistryUpdate, cli bool) {
	set := func(col string, v any) {
		if !t.Settable(col) && !slices.ContainsFunc(e.Add, func(c parquetfile.ColumnSpec) bool { return c.Name == col }) {
			return
		}
		if e.Set[col] == nil {
			e.Set[col] = map[int]any{}
		}
		e.Set[col][row] = v
	}
	if u.Dirty != nil {
		if cli {
			for _, c := range []parquetfile.ColumnSpec{{Name: "dirty", Kind: parquetfile.Boolean}, {Name: "pinset_hash"}, {Name: "last_sync", Kind: parquetfile.Integer}} {
				if !t.Has(c.Name) && !slices.Contains(e.Add, c) {
					e.Add = append(e.Add, c)
				}
			}
		}
		if was, ok := t.Column("dirty").Bool(row); !ok || was != *u.Dirty {
			set("dirty", *u.Dirty)
		}
		if !*u.Dirty {
			if t.HoldsTimes("last_sync") {
				set("last_sync", u.LastSync.Local())
			} else {
				set("last_sync", u.LastSync.Unix()) // int(now), as upstream writes it
			}
			set("pinset_hash", cleanHash)
		}
	}
	if hc := u.Health; hc != nil {
		set("health_status", hc.Status)
		set("last_check", hc.CheckedAt.Local())
		if hc.ResponseMS > 0 { // else nothing was measured, and what is there stays
			set("response_time_ms", hc.ResponseMS)
		}
		set("pin_count", hc.PinCount)
		set("storage_usage", hc.StorageUsage)
	}
}

func newRegistryRow(u RegistryUpdate) map[string]any {
	hc := u.Health
	row := map[string]any{"name": u.Name, "type": hc.Type, "health_status": hc.Status, "last_check": hc.CheckedAt.Local(),
		"response_time_ms": hc.ResponseMS, "error_count": int64(0), "pin_count": hc.PinCount, "storage_usage": hc.StorageUsage}
	if hc.Status != "healthy" {
		row["error_count"] = int64(1)
	}
	if hc.Endpoint != "" {
		row["endpoint"] = hc.Endpoint
	}
	return row
}
