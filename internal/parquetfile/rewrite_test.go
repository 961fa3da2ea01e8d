package parquetfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var pinColumns = []ColumnSpec{{"cid", Text}, {"status", Text}, {"size", Integer}, {"score", Float}, {"ok", Boolean}}

func read(t rapid.TB, data []byte) *Table {
	t.Helper()
	table, err := Read(data, nil, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func rowsOf(t rapid.TB, data []byte) []string {
	t.Helper()
	table := read(t, data)
	var out []string
	for i := range table.NumRows() {
		line, err := table.JSONRow(i)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(line))
	}
	return out
}

// A file that is edited again and again says what a plain list of rows says.
func TestEditsAddUp(t *testing.T) {
	value := map[Kind]*rapid.Generator[any]{
		Text:    rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "") }),
		Integer: rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		Float:   rapid.Map(rapid.Float64Range(-1e9, 1e9), func(f float64) any { return f }),
		Boolean: rapid.Map(rapid.Bool(), func(b bool) any { return b }),
	}
	row := func(t *rapid.T) map[string]any {
		r := map[string]any{}
		for _, c := range pinColumns {
			if rapid.Bool().Draw(t, "there") {
				r[c.Name] = value[c.Kind].Draw(t, c.Name)
			}
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		var want []map[string]any
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			want = append(want, row(t))
		}
		data, err := New(pinColumns, want)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			e := Edit{Set: map[string]map[int]any{}}
			if len(want) > 0 {
				for range rapid.IntRange(0, 3).Draw(t, "cells") {
					c := rapid.SampledFrom(pinColumns).Draw(t, "column")
					i := rapid.IntRange(0, len(want)-1).Draw(t, "row")
					v := value[c.Kind].Draw(t, "value")
					if e.Set[c.Name] == nil {
						e.Set[c.Name] = map[int]any{}
					}
					e.Set[c.Name][i] = v
					want[i] = maps.Clone(want[i])
					want[i][c.Name] = v
				}
			}
			for range rapid.IntRange(0, 2).Draw(t, "appended") {
				r := row(t)
				e.Append = append(e.Append, r)
				want = append(want, r)
			}
			if data, err = Rewrite(data, e, DefaultLimits()); err != nil {
				t.Fatal(err)
			}
		}
		table := read(t, data)
		if table.NumRows() != len(want) {
			t.Fatalf("%d rows, want %d", table.NumRows(), len(want))
		}
		for i, w := range want {
			for _, c := range pinColumns {
				if got := table.Column(c.Name).Value(i); got != w[c.Name] {
					t.Fatalf("row %d %s: %v (%T), want %v", i, c.Name, got, got, w[c.Name])
				}
			}
		}
	})
}

func TestAppendingLeavesEverythingElseAsItWas(t *testing.T) {
	files, _ := corpus(t)
	tried := 0
	for name, data := range files {
		before, err := Read(data, nil, DefaultLimits())
		if err != nil || len(before.Names()) == 0 {
			continue
		}
		tried++
		out, err := Rewrite(data, Edit{Append: []map[string]any{{"no such column": "x"}, {}}}, DefaultLimits())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		was, is := rowsOf(t, data), rowsOf(t, out)
		if len(is) != len(was)+2 {
			t.Errorf("%s: %d rows after appending 2 to %d", name, len(is), len(was))
			continue
		}
		for i := range was {
			if was[i] != is[i] {
				t.Errorf("%s row %d: %s became %s", name, i, was[i], is[i])
				break
			}
		}
		if arrow := before.meta["ARROW:schema"]; arrow != read(t, out).meta["ARROW:schema"] {
			t.Errorf("%s: the Arrow schema is gone though no type changed", name)
		}
	}
	if tried < 100 {
		t.Errorf("only %d files were tried", tried)
	}
}

func TestUntouchedColumnsKeepTheirBytes(t *testing.T) {
	files, _ := corpus(t)
	data := files["pd_default"]
	f, err := openFile(data, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range f.leaves {
		if err := f.check(l); err != nil {
			t.Fatal(err)
		}
	}
	out, err := Rewrite(data, Edit{Set: map[string]map[int]any{"health_status": {0: "healthy"}}}, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for g := range f.spans {
		for i, s := range f.spans[g] {
			chunk := data[s.from:s.to]
			if kept := bytes.Contains(out, chunk); kept == (f.leaves[i].name() == "health_status") {
				t.Errorf("column %s: bytes kept: %v", f.leaves[i].name(), kept)
			}
		}
	}
	if got, _ := read(t, out).Column("health_status").String(0); got != "healthy" {
		t.Errorf("the cell is %q", got)
	}
}

func TestRowsThatComeOneByOneDoNotPileUpRowGroups(t *testing.T) {
	data, err := New(pinColumns, []map[string]any{{"cid": "a"}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if data, err = Rewrite(data, Edit{Append: []map[string]any{{"cid": fmt.Sprint(i), "ok": i%2 == 0}}}, DefaultLimits()); err != nil {
			t.Fatal(err)
		}
	}
	if table := read(t, data); table.NumRows() != 201 || table.groups != 1 {
		t.Errorf("%d rows in %d groups", table.NumRows(), table.groups)
	}
}

func TestColumnOfNullsGetsTheTypeOfItsFirstValue(t *testing.T) {
	python := os.Getenv("IPFSKIT_PYTHON")
	if python == "" {
		t.Skip("IPFSKIT_PYTHON does not name a python with pandas and pyarrow")
	}
	path := filepath.Join(t.TempDir(), "empty.parquet")
	script := `import pandas as pd, sys
pd.DataFrame(columns=["cid","status"]).to_parquet(sys.argv[1], index=False)`
	if out, err := exec.Command(python, "-c", script, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err = Rewrite(data, Edit{Append: []map[string]any{{"cid": "bafy", "status": "stored"}}}, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := read(t, data).Column("status").String(0); got != "stored" {
		t.Errorf("status %q", got)
	}
}

// What was written is read by pandas, pyarrow and duckdb as it is read here.
func TestPythonReadsWhatWasWritten(t *testing.T) {
	python := os.Getenv("IPFSKIT_PYTHON")
	if python == "" {
		t.Skip("IPFSKIT_PYTHON does not name a python with pandas, pyarrow and duckdb")
	}
	files, _ := corpus(t)
	data, err := Rewrite(files["pd_default"], Edit{
		Set:    map[string]map[int]any{"health_status": {0: "healthy", 1: nil}, "pin_count": {2: int64(77)}},
		Append: []map[string]any{{"bucket_name": "neu ü", "pin_count": int64(5)}},
	}, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.parquet")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `
import sys, json, pandas as pd, pyarrow.parquet as pq, duckdb
p = sys.argv[1]
a = pq.read_table(p).to_pylist(); d = pd.read_parquet(p); q = duckdb.sql(f"select bucket_name, pin_count, health_status from '{p}'").fetchall()
assert len(a) == len(d) == len(q), (len(a), len(d), len(q))
assert list(d.index) == list(range(len(d))), d.index
out = []
for i, r in enumerate(a):
    assert q[i][0] == r["bucket_name"] and q[i][2] == r["health_status"], (i, q[i], r)
    assert d.iloc[i]["bucket_name"] == r["bucket_name"]
    out.append([r["bucket_name"], r["pin_count"], r["health_status"]])
print(json.dumps(out))`
	cmd := exec.Command(python, "-c", script, path)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	table := read(t, data)
	for i, r := range got {
		name, _ := table.Column("bucket_name").String(i)
		count, _ := table.Column("pin_count").Float(i)
		if r[0] != name || r[1] != count {
			t.Errorf("row %d: python has %v, we %s %v", i, r, name, count)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	files, _ := corpus(f)
	f.Add(files["pd_default"])
	small, err := New(pinColumns, []map[string]any{{"cid": "a"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	l := Limits{FileBytes: 1 << 20, MemoryBytes: 16 << 20, Rows: 10_000}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := Rewrite(data, Edit{Append: []map[string]any{{"cid": "x"}}}, l)
		if err != nil {
			return
		}
		before, err := Read(data, nil, DefaultLimits())
		if err != nil {
			return // damage in a column that is not touched stays
		}
		after, err := Read(out, nil, DefaultLimits())
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if after.NumRows() != before.NumRows()+1 {
			t.Fatalf("%d rows became %d", before.NumRows(), after.NumRows())
		}
		for row := range before.NumRows() {
			was, err := before.JSONRow(row)
			if err != nil {
				t.Fatal(err)
			}
			if is, err := after.JSONRow(row); err != nil || !reflect.DeepEqual(is, was) {
				t.Fatalf("row %d: %v became %v, %v", row, was, is, err)
			}
		}
	})
}

func mapping(b *testing.B, n int) []byte {
	rows := make([]map[string]any, n)
	for i := range rows {
		rows[i] = map[string]any{"cid": fmt.Sprintf("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa%06d", i), "status": "stored", "size": int64(i)}
	}
	data, err := New(pinColumns, rows)
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func BenchmarkReadTwoColumnsOfTenThousandRows(b *testing.B) {
	data := mapping(b, 10_000)
	for b.Loop() {
		if _, err := Read(data, []string{"cid", "status"}, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadTwoColumnsOfTenRows(b *testing.B) {
	data := mapping(b, 10)
	for b.Loop() {
		if _, err := Read(data, []string{"cid", "status"}, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendOneToTenThousandRows(b *testing.B) {
	data := mapping(b, 10_000)
	for b.Loop() {
		if _, err := Rewrite(data, Edit{Append: []map[string]any{{"cid": "x"}}}, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
