package home

import (
	"time"

	"ipfskit.org/intelligent/internal/parquetfile"
)

// mergeRows brings into current what another program wrote into an earlier copy
// of it: rows whose key current doesn't have, and columns that it doesn't have,
// with their values. Nil when there is nothing to add. A row of both keeps our values.
func mergeRows(current, other []byte, key string, l parquetfile.Limits) ([]byte, error) {
	theirs, err := parquetfile.Read(other, nil, l)
	if err != nil {
		return nil, err
	}
	ours, err := parquetfile.Read(current, []string{key}, l)
	if err != nil {
		return nil, err
	}
	rowsOf := map[string][]int{}
	for i := range ours.NumRows() {
		if k, ok := ours.Column(key).String(i); ok {
			rowsOf[k] = append(rowsOf[k], i)
		}
	}
	e := parquetfile.Edit{Set: map[string]map[int]any{}}
	for _, col := range theirs.Names() {
		if spec, ok := newColumn(theirs, col); ok && !ours.Has(col) {
			e.Add = append(e.Add, spec)
			e.Set[col] = map[int]any{}
		}
	}
	for i := range theirs.NumRows() {
		k, ok := theirs.Column(key).String(i)
		if !ok {
			continue
		}
		for col := range e.Set {
			for _, row := range rowsOf[k] {
				e.Set[col][row] = theirs.Column(col).Value(i)
			}
		}
		if len(rowsOf[k]) == 0 {
			e.Append = append(e.Append, plainRow(theirs, i))
		}
	}
	if len(e.Append) == 0 && len(e.Add) == 0 {
		return nil, nil
	}
	return parquetfile.Rewrite(current, e, l)
}

// newColumn describes a column by its first value; false where it has none, or none that can be written.
func newColumn(t *parquetfile.Table, col string) (parquetfile.ColumnSpec, bool) {
	for i := range t.NumRows() {
		switch t.Column(col).Value(i).(type) {
		case nil:
			continue
		case string:
			return parquetfile.ColumnSpec{Name: col}, true
		case bool:
			return parquetfile.ColumnSpec{Name: col, Kind: parquetfile.Boolean}, true
		case int64:
			return parquetfile.ColumnSpec{Name: col, Kind: parquetfile.Integer}, true
		case float64:
			return parquetfile.ColumnSpec{Name: col, Kind: parquetfile.Float}, true
		}
		return parquetfile.ColumnSpec{}, false
	}
	return parquetfile.ColumnSpec{}, false
}

// plainRow takes the values of a row that can be written.
func plainRow(t *parquetfile.Table, i int) map[string]any {
	row := map[string]any{}
	for _, col := range t.Names() {
		switch v := t.Column(col).Value(i).(type) {
		case string, bool, int64, float64, time.Time:
			row[col] = v
		}
	}
	return row
}
