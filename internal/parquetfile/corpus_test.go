package parquetfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/xitongsys/parquet-go/parquet"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type expectedFile struct {
	Rows   int                     `json:"rows"`
	Leaves map[string]expectedLeaf `json:"leaves"`
}

type expectedLeaf struct {
	Hash   string   `json:"h"`
	Sample []string `json:"s"`
}

// corpus unpacks the files and what is in them.
func corpus(t testing.TB) (files map[string][]byte, want map[string]expectedFile) {
	t.Helper()
	f, err := os.Open("testdata/corpus.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutSuffix(path.Base(h.Name), ".parquet"); ok {
			files[name] = data
		} else if path.Base(h.Name) == "expected.json" {
			var e struct {
				Files map[string]expectedFile `json:"files"`
			}
			if err := json.Unmarshal(data, &e); err != nil {
				t.Fatal(err)
			}
			want = e.Files
		}
	}
	return files, want
}

func TestCorpusIsReadRightOrRefusedByName(t *testing.T) {
	files, want := corpus(t)
	right := 0
	for name, data := range files {
		got, err := leafDigests(data)
		var u *UnsupportedError
		switch {
		case errors.As(err, &u):
			if u.Feature == "" {
				t.Errorf("%s: refused without a feature: %v", name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: a valid file is refused as %v", name, err)
			continue
		}
		ok := true
		for leaf, w := range want[name].Leaves {
			if w.Hash != "" && got[leaf] != "" && got[leaf] != w.Hash {
				t.Errorf("%s: column %s is wrong", name, leaf)
				ok = false
			}
			if _, there := got[leaf]; !there && name != "pa_map" && name != "pa_list_of_list" { // hashed as whole columns: no leaf has that name
				t.Errorf("%s: column %s is missing", name, leaf)
				ok = false
			}
		}
		table, err := Read(data, nil, DefaultLimits())
		if err != nil || table.NumRows() != want[name].Rows {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for row := range table.NumRows() {
			if line, err := table.JSONRow(row); err != nil || !json.Valid(line) {
				t.Errorf("%s row %d: %s, %v", name, row, line, err)
				break
			}
		}
		if ok {
			right++
		}
	}
	if len(files) != 150 || right < 123 {
		t.Errorf("%d of %d files are right; at least 123 must be", right, len(files))
	}
	t.Logf("%d right, %d refused by name", right, len(files)-right)
}

// leafDigests reads a file and hashes each leaf as expected.json does; a leaf below two lists has no digest there.
func leafDigests(data []byte) (out map[string]string, err error) {
	defer protect(&err)
	f, err := openFile(data, DefaultLimits())
	if err != nil {
		return nil, err
	}
	for _, l := range f.leaves {
		if err := f.check(l); err != nil {
			return nil, err
		}
	}
	leaves, err := f.readLeaves(f.leaves)
	if err != nil {
		return nil, err
	}
	out = map[string]string{}
	for _, l := range leaves {
		out[f.dotted(l.node)] = digest(l, f.repeatedLevel(l.node))
	}
	return out, nil
}

// dotted names a leaf as expected.json does: the wrappers of lists are left out.
func (f *file) dotted(leaf *node) string {
	var parts []string
	nodes := f.top
	for i := 0; i < len(leaf.path); i++ {
		var n *node
		for _, c := range nodes {
			if c.name() == leaf.path[i] {
				n = c
			}
		}
		parts = append(parts, n.name())
		if isList(n) && len(n.children) > 0 && n.children[0].repeated() {
			n = n.children[0]
			i++
			if len(n.children) == 1 {
				n = n.children[0]
				i++
			}
		}
		nodes = n.children
	}
	return strings.Join(parts, ".")
}

// repeatedLevel is the definition level of the repeated node above a leaf.
func (f *file) repeatedLevel(leaf *node) int {
	nodes := f.top
	for _, p := range leaf.path {
		for _, c := range nodes {
			if c.name() == p {
				if c.repeated() {
					return c.def
				}
				nodes = c.children
				break
			}
		}
	}
	return 0
}

func digest(l *leafData, repeated int) string {
	if l.node.rep > 1 {
		return ""
	}
	h := sha256.New()
	for i, row := range canonicalRows(l, repeated) {
		if i > 0 {
			h.Write([]byte{0})
		}
		io.WriteString(h, row) //nolint:errcheck // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

func canonicalRows(l *leafData, repeated int) (rows []string) {
	at := func(i int) string {
		if l.null(i) || l.node.el.LogicalType != nil && l.node.el.LogicalType.UNKNOWN != nil {
			return "N"
		}
		return canonical(l.values[i], l.node.el)
	}
	if l.node.rep == 0 {
		for i := range l.values {
			rows = append(rows, at(i))
		}
		return rows
	}
	var cur []string
	state := ""
	flush := func() {
		switch state {
		case "list":
			rows = append(rows, "["+strings.Join(cur, ",")+"]")
		case "null":
			rows = append(rows, "N")
		}
		cur = nil
	}
	for i := range l.values {
		if l.rep[i] == 0 {
			flush()
			state = "list"
			if int(l.def[i]) < repeated-1 {
				state = "null"
				continue
			}
		}
		if int(l.def[i]) >= repeated {
			cur = append(cur, at(i))
		}
	}
	flush()
	return rows
}

func canonical(v any, e *parquet.SchemaElement) string {
	kind := canonicalKind(e)
	switch x := v.(type) {
	case bool:
		if x {
			return "b:1"
		}
		return "b:0"
	case int32:
		return canonicalInt(int64(x), uint64(uint32(x)), kind)
	case int64:
		return canonicalInt(x, uint64(x), kind)
	case float32:
		return canonical(float64(x), e)
	case float64:
		if math.IsNaN(x) {
			return "f:nan"
		}
		return "f:" + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, math.Float64bits(x)))
	case string:
		switch kind {
		case "int96":
			ns := int64(binary.LittleEndian.Uint64([]byte(x[:8])))
			day := int64(binary.LittleEndian.Uint32([]byte(x[8:])))
			return "t:" + strconv.FormatInt((day-2440588)*86400*1e9+ns, 10)
		case "dec":
			n := new(big.Int).SetBytes([]byte(x))
			if x != "" && x[0]&0x80 != 0 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(x))))
			}
			return "D:" + n.String()
		}
		return "s:" + x
	}
	return "?"
}

func canonicalInt(n int64, u uint64, kind string) string {
	switch kind {
	case "date":
		return "d:" + strconv.FormatInt(n, 10)
	case "time":
		return "T:" + strconv.FormatInt(n, 10)
	case "u":
		return "i:" + strconv.FormatUint(u, 10)
	case "dec":
		return "D:" + strconv.FormatInt(n, 10)
	case "ts_ms":
		return "t:" + strconv.FormatInt(n*1e6, 10)
	case "ts_us":
		return "t:" + strconv.FormatInt(n*1e3, 10)
	case "ts_ns":
		return "t:" + strconv.FormatInt(n, 10)
	}
	return "i:" + strconv.FormatInt(n, 10)
}

func canonicalKind(e *parquet.SchemaElement) string {
	if e.GetType() == parquet.Type_INT96 {
		return "int96"
	}
	if l := e.LogicalType; l != nil {
		switch {
		case l.TIMESTAMP != nil && l.TIMESTAMP.Unit.NANOS != nil:
			return "ts_ns"
		case l.TIMESTAMP != nil && l.TIMESTAMP.Unit.MICROS != nil:
			return "ts_us"
		case l.TIMESTAMP != nil:
			return "ts_ms"
		case l.TIME != nil:
			return "time"
		}
	}
	if e.ConvertedType == nil {
		return ""
	}
	return map[parquet.ConvertedType]string{
		parquet.ConvertedType_TIMESTAMP_MILLIS: "ts_ms", parquet.ConvertedType_TIMESTAMP_MICROS: "ts_us",
		parquet.ConvertedType_DATE: "date", parquet.ConvertedType_TIME_MICROS: "time", parquet.ConvertedType_TIME_MILLIS: "time",
		parquet.ConvertedType_UINT_8: "u", parquet.ConvertedType_UINT_16: "u", parquet.ConvertedType_UINT_32: "u", parquet.ConvertedType_UINT_64: "u",
		parquet.ConvertedType_DECIMAL: "dec",
	}[*e.ConvertedType]
}

func TestDamagedFilesEndInAnErrorOrTheTruth(t *testing.T) {
	files, _ := corpus(t)
	for _, name := range []string{"pd_default", "dk_rowgroups", "fp_default", "pa_rowgroups"} {
		data, ok := files[name]
		if !ok || len(data) > 64<<10 {
			continue
		}
		for cut := 0; cut < len(data); cut += 1 + len(data)/200 {
			if _, err := Read(data[:cut], nil, DefaultLimits()); err == nil {
				t.Errorf("%s cut at %d was read", name, cut)
			}
		}
		for at := 0; at < len(data); at += 1 + len(data)/400 {
			for _, with := range [][]byte{{0}, {0xff}, {0xff, 0xff, 0xff, 0x7f}, {0xff, 0xff, 0xff, 0xff, 0x0f}} {
				bad := bytes.Clone(data)
				copy(bad[at:], with)
				table, err := Read(bad, nil, DefaultLimits())
				if err == nil && table.NumRows() > 1<<20 {
					t.Errorf("%s with %x at %d has %d rows", name, with, at, table.NumRows())
				}
			}
		}
	}
}

// A few bytes that claim a list of two thousand million entries take no memory for it.
func TestAListThatClaimsMoreThanThereIsTakesNoMemory(t *testing.T) {
	footer := []byte{0x15, 0x02, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0} // the schema: a list of structs
	data := append([]byte(magic), footer...)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(footer)))
	data = append(data, magic...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(data, nil, DefaultLimits())
	runtime.ReadMemStats(&after)
	var c *CorruptError
	if !errors.As(err, &c) {
		t.Error(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were taken for it", took)
	}
}

func FuzzRead(f *testing.F) {
	files, _ := corpus(f)
	for name, data := range files {
		if len(data) < 8<<10 && strings.Contains(name, "default") || name == "dk_types" {
			f.Add(data)
		}
	}
	f.Add([]byte("PAR1PAR1PAR1"))
	l := Limits{FileBytes: 1 << 20, MemoryBytes: 16 << 20, Rows: 100_000}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Read(data, nil, l)
		if err != nil {
			return
		}
		for row := range table.NumRows() {
			if _, err := table.JSONRow(row); err != nil {
				t.Fatal(err)
			}
		}
	})
}
