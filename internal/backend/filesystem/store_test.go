package filesystem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/filesystem"
)

func TestLayoutIsUpstreams(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, deps())
	c, data := put(t, a, 1, 20)
	car, record := "cars/"+c.String()+".car", "pins/"+c.String()+".json"
	if got := files(t, dir); !slices.Equal(got, []string{car, record}) {
		t.Errorf("files: %v", got)
	}
	got, err := os.ReadFile(filepath.Join(dir, car))
	if err != nil || string(got) != string(data) {
		t.Errorf("the CAR: %d bytes, %v", len(got), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, record))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		CID       string  `json:"cid"`
		Name      *string `json:"name"`
		PinType   string  `json:"pin_type"`
		Timestamp float64 `json:"timestamp"`
		Size      int64   `json:"size_bytes"`
		Backend   string  `json:"backend"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.CID != c.String() || r.Name == nil || r.PinType != "recursive" || r.Timestamp < 1.7e9 || r.Size != int64(len(data)) || r.Backend != "fs1" {
		t.Errorf("record: %s", text)
	}
	if !strings.HasPrefix(string(text), "{\n  \"cid\": ") {
		t.Errorf("record is not indented as upstream's: %s", text)
	}
}

// Upstream's adapter wrote these records; see testdata/README.md.
func TestUpstreamsRecordIsKept(t *testing.T) {
	dir := t.TempDir()
	const name = "QmPZ9gcCEpqKTo6aq61g2nXGUhM4iCL3ewB6LDXZCtioEB"
	old, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "pins"), 0o700), os.WriteFile(filepath.Join(dir, "pins", name+".json"), old, 0o600)); err != nil {
		t.Fatal(err)
	}
	a, err := filesystem.Open(t.Context(), filesystem.Config{Name: "fsA", Path: dir, Content: "records"}, deps())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // checked elsewhere
	c, err := cid.Decode(name)
	if err != nil {
		t.Fatal(err)
	}
	item, err := a.Stat(t.Context(), c)
	if err != nil || item.Size != 100 || !item.CID.Equals(c) {
		t.Errorf("stat: %+v %v", item, err)
	}
	if _, err := a.Put(t.Context(), c, backend.Source{Size: 7}, nil); err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(filepath.Join(dir, "pins", name+".json"))
	if err != nil || string(now) != string(old) {
		t.Errorf("it was changed: %s %v", now, err)
	}
}

func TestRecordsAlone(t *testing.T) {
	dir := t.TempDir()
	a, err := filesystem.Open(t.Context(), filesystem.Config{Name: "fs1", Path: dir, Content: "records"}, deps())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // checked elsewhere
	c, _ := cartest.Random(t, 1, 3)
	if _, err := a.Stat(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("stat: %v", err)
	}
	if _, err := a.Put(t.Context(), c, backend.Source{Size: 77}, nil); err != nil {
		t.Fatal(err)
	}
	if item, err := a.Verify(t.Context(), c); err != nil || item.Size != 77 {
		t.Errorf("verify: %+v %v", item, err)
	}
	var listed []string
	if err := a.List(t.Context(), func(i backend.Item) error { listed = append(listed, i.CID.String()); return nil }); err != nil || !slices.Equal(listed, []string{c.String()}) {
		t.Errorf("list: %v %v", listed, err)
	}
	if _, err := a.Open(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("open: %v", err)
	}
	file := filepath.Join(dir, "pins", c.String()+".json")
	for name, text := range map[string]string{"empty": "", "torn": `{"cid": "ba`, "about another": `{"cid": "x"}`, "null": "null", "list": "[]"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *backend.CorruptError
		if _, err := a.Verify(t.Context(), c); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := a.Put(t.Context(), c, backend.Source{Size: 77}, nil); err != nil {
			t.Errorf("%s: put: %v", name, err)
		}
		if _, err := a.Verify(t.Context(), c); err != nil {
			t.Errorf("%s: after put: %v", name, err)
		}
	}
	if err := a.Remove(t.Context(), c); err != nil || len(files(t, dir)) != 0 {
		t.Errorf("remove: %v, left %v", err, files(t, dir))
	}
}

func TestOtherFilesAreNotListed(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, deps())
	c, _ := put(t, a, 1, 3)
	for _, name := range []string{"README.txt", "x.car", c.String() + ".car.bak", ".ipfs-kit-x.part"} {
		if err := os.WriteFile(filepath.Join(dir, "cars", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other, _ := cartest.Random(t, 2, 3)
	linked, _ := cartest.Random(t, 3, 3)
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "cars", other.String()+".car"), 0o700),
		os.Symlink("/etc/passwd", filepath.Join(dir, "cars", linked.String()+".car")),
	); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := a.List(t.Context(), func(i backend.Item) error { got = append(got, i.CID.String()); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []string{c.String()}) {
		t.Errorf("got %v", got)
	}
	for _, c := range []cid.Cid{other, linked} {
		if _, err := a.Stat(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
			t.Errorf("stat %s: %v", c, err)
		}
		if _, err := a.Verify(t.Context(), c); err == nil {
			t.Errorf("verify %s: no error", c)
		}
	}
}

func TestAListingThatBreaksOffIsAnError(t *testing.T) {
	dir, d, f := t.TempDir(), deps(), &faults{}
	d.WrapRoot = f.wrap
	a := open(t, dir, d)
	for i := range 600 {
		c, _ := cartest.Random(t, uint64(i), 1)
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "cars"), 0o700), os.WriteFile(filepath.Join(dir, "cars", c.String()+".car"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, op := range []string{"readdir", "lstat"} {
		n := 0
		f.set(func(o, _ string) error {
			if n++; o == op && (op == "readdir" || n > 400) {
				return fmt.Errorf("%w while listing", fs.ErrInvalid)
			}
			return nil
		})
		if err := a.List(t.Context(), func(backend.Item) error { return nil }); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestPutCostsFewSyncs(t *testing.T) {
	dir, d, f := t.TempDir(), deps(), &faults{}
	d.WrapRoot = f.wrap
	a := open(t, dir, d)
	put(t, a, 1, 3)
	f.forget()
	put(t, a, 2, 3)
	if files, dirs := f.count("fsync"), f.count("syncdir"); files != 2 || dirs > 2 {
		t.Errorf("%d files and %d folders were synced for a CAR and its record", files, dirs)
	}
	f.forget()
	put(t, a, 2, 3)
	if files := f.count("fsync"); files != 1 {
		t.Errorf("%d files were synced though the record had not changed", files)
	}
}

// The order that loses nothing: content is durable before its name is, and read back before that.
func TestOrderOfAPut(t *testing.T) {
	dir, d, f := t.TempDir(), deps(), &faults{}
	d.WrapRoot = f.wrap
	a := open(t, dir, d)
	put(t, a, 1, 3)
	f.forget()
	c, _ := put(t, a, 2, 3)
	var order []string
	for _, op := range f.ops {
		word, name, _ := strings.Cut(op, " ")
		if strings.HasPrefix(name, "cars") {
			order = append(order, word)
		}
	}
	if got := strings.Join(slices.Compact(order), " "); got != "create write fsync read rename syncdir" {
		t.Errorf("order for %s: %s", c, got)
	}
}

func TestSweepTakesWhatDeadRunsLeft(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, deps())
	put(t, a, 1, 3)
	alive := tempNameOfThisRun(t)
	fields := strings.Split(alive, "-")
	withPID := func(pid, start string) string {
		f := slices.Clone(fields)
		f[3], f[4] = pid, start
		return strings.Join(f, "-")
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	hour := time.Now().Add(-2 * time.Hour)
	tests := []struct {
		name string
		old  bool
		gone bool
	}{
		{alive, true, false},
		{withPID(fmt.Sprint(dead.Process.Pid), "1"), false, true},
		{withPID(fields[3], "1"), false, true}, // the number was given to another process since
		{".ipfs-kit-000000000000-1-1-1.part", false, false},
		{".ipfs-kit-000000000000-1-1-2.part", true, true},
		{".ipfs-kit-made by hand.part", true, true},
		{"somebody's.part", true, false},
		{".ipfs-kit-notes.txt", true, false},
	}
	for _, sub := range []string{".", "cars", "pins", "backups/a/b"} {
		for _, tc := range tests {
			name := filepath.Join(dir, sub, tc.name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("half"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if tc.old {
				if err := os.Chtimes(name, hour, hour); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, tc := range tests {
			_, err := os.Lstat(filepath.Join(dir, sub, tc.name))
			if gone := errors.Is(err, fs.ErrNotExist); gone != tc.gone {
				t.Errorf("%s/%s: gone %v, want %v", sub, tc.name, gone, tc.gone)
			}
		}
	}
}

// tempNameOfThisRun catches a temporary name while it is there.
func tempNameOfThisRun(t *testing.T) string {
	t.Helper()
	dir, d, f := t.TempDir(), deps(), &faults{}
	d.WrapRoot = f.wrap
	put(t, open(t, dir, d), 1, 1)
	for _, op := range f.ops {
		if name, ok := strings.CutPrefix(op, "create cars/"); ok {
			return name
		}
	}
	t.Fatal("no temporary file was made")
	return ""
}

// A program that is killed in the middle of puts leaves nothing under a final
// name that is not whole, and its leftovers go with the next sweep.
func TestKilledInTheMiddle(t *testing.T) {
	if dir := os.Getenv("IPFSKIT_TEST_PUT_INTO"); dir != "" {
		a := open(t, dir, deps())
		for seed := uint64(0); ; seed++ {
			put(t, a, seed%50, 500)
		}
	}
	dir := t.TempDir()
	for i := range 15 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddle$")
		cmd.Env = append(os.Environ(), "IPFSKIT_TEST_PUT_INTO="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It is killed at a moment of its own, some after something was stored.
		for end := time.Now().Add(5 * time.Minute); len(partFiles(t, dir)) == 0 && len(files(t, dir)) < 3*i; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it stores nothing: %v\n%s", errors.Join(cmd.Process.Kill(), cmd.Wait()), &out)
			}
		}
		time.Sleep(time.Duration(i*i%7) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		a := open(t, dir, deps())
		err := a.List(t.Context(), func(i backend.Item) error { _, err := a.Verify(t.Context(), i.CID); return err })
		if err != nil {
			t.Fatalf("killed %d times: %v", i+1, err)
		}
		if err := a.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := partFiles(t, dir); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}

func TestDamagedIdentityIsSaid(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, deps())
	for name, text := range map[string]string{"torn": `{"id": "x`, "empty": "", "no id": "{}", "long": strings.Repeat(" ", 1<<20)} {
		if err := os.WriteFile(filepath.Join(dir, ".ipfs-kit-backend.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var corrupt *backend.CorruptError
		if _, err := a.Sentinel(t.Context()); !errors.As(err, &corrupt) {
			t.Errorf("%s: %v", name, err)
		}
		h, err := a.Check(t.Context())
		if err != nil || !strings.Contains(h.Degraded, "identity") {
			t.Errorf("%s: check: %+v %v", name, h, err)
		}
	}
}

func TestUsageCountsUpstreamsFoldersToo(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, deps())
	for name, size := range map[string]int{"cars/a": 1, "pins/b": 10, "backups/x/c": 100, "buckets/backup_1/d": 1000, "metadata/e": 10000, "else/f": 100000} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, make([]byte, size), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := a.Usage(t.Context()); err != nil || u.UsedBytes != 11111 || u.AvailableBytes <= 0 {
		t.Errorf("got %+v %v", u, err)
	}
}

func TestObjectsDoNotFollowLinksOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	a := open(t, dir, deps())
	secret := filepath.Join(outside, "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("s"), 0o600), os.Mkdir(filepath.Join(dir, "backups"), 0o700),
		os.Symlink(outside, filepath.Join(dir, "backups", "out")), os.Symlink(secret, filepath.Join(dir, "backups", "file"))); err != nil {
		t.Fatal(err)
	}
	o := a.Objects()
	for _, name := range []string{"out/secret", "file"} {
		if r, err := o.GetObject(t.Context(), name); err == nil {
			_ = r.Close()
			t.Errorf("get %s: no error", name)
		}
	}
	if err := o.PutObject(t.Context(), "out/new", strings.NewReader("x"), 1); err == nil {
		t.Error("put out/new: no error")
	}
	if err := o.RemoveObject(t.Context(), "out/secret"); err == nil {
		t.Error("remove out/secret: no error")
	}
	if got := files(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("outside: %v", got)
	}
}

func TestStoredChecksumIsTold(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, deps())
	c, data := put(t, a, 1, 20)
	stored, err := a.Stat(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	proven, err := a.Verify(t.Context(), c)
	if err != nil || len(stored.SHA256) != 64 || stored != proven {
		t.Errorf("stat %+v, verify %+v %v", stored, proven, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cars", c.String()+".car"), data[:50], 0o600); err != nil {
		t.Fatal(err)
	}
	if cut, err := a.Stat(t.Context(), c); err != nil || cut.SHA256 != "" || cut.Size != 50 {
		t.Errorf("the checksum belongs to another size: %+v %v", cut, err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, blocks := range []int{3, 60000} {
		b.Run(fmt.Sprintf("%dKiB", blocks), func(b *testing.B) { benchmarkPut(b, blocks) })
	}
}

func benchmarkPut(b *testing.B, blocks int) {
	dir := b.TempDir()
	a, err := filesystem.Open(b.Context(), filesystem.Config{Name: "fs1", Path: dir}, deps())
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close() //nolint:errcheck // a benchmark
	c, data := cartest.Random(b, 1, blocks)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Put(b.Context(), c, source(data), nil); err != nil {
			b.Fatal(err)
		}
	}
}
