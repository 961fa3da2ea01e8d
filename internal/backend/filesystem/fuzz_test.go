package filesystem_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/filesystem"
)

// Whatever the name: it is refused, or the object is below backups/ and comes back.
func FuzzObjectName(f *testing.F) {
	for _, name := range []string{"a/b", "../x", "/x", "a\x00b", ".ipfs-kit-1.part", "a//b", "…", ".", "a\\..\\b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		base := t.TempDir()
		dir := filepath.Join(base, "root")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		a := open(t, dir, deps())
		err := a.Objects().PutObject(t.Context(), name, strings.NewReader("x"), 1)
		got := files(t, base)
		switch {
		case err != nil && len(got) != 0:
			t.Fatalf("refused with %v, and there is %q", err, got)
		case err == nil && (len(got) != 1 || !strings.HasPrefix(got[0], "root/backups/")):
			t.Fatalf("taken, and there is %q", got)
		case err != nil:
			return
		}
		n := 0
		err = a.Objects().ListObjects(t.Context(), name, func(o backend.Object) error {
			if n++; o.Name != name {
				t.Errorf("listed as %q", o.Name)
			}
			return nil
		})
		if err != nil || n != 1 {
			t.Errorf("listed %d times, %v", n, err)
		}
		if err := a.Objects().RemoveObject(t.Context(), name); err != nil || len(files(t, base)) != 0 {
			t.Errorf("remove: %v", err)
		}
	})
}

// Whatever a record or an identity says: an answer or a typed error, and a put mends the record.
func FuzzSmallFiles(f *testing.F) {
	f.Add([]byte(`{"cid":"x","size_bytes":-1e300}`))
	f.Add([]byte(`{"id":"x","created":"never"}`))
	f.Add([]byte(`[1,{"a":`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		c, _ := cartest.Random(t, 1, 1)
		a, err := filesystem.Open(t.Context(), filesystem.Config{Name: "fs1", Path: dir, Content: "records"}, deps())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close() //nolint:errcheck // checked elsewhere
		record := filepath.Join(dir, "pins", c.String()+".json")
		if err := errors.Join(os.Mkdir(filepath.Dir(record), 0o700), os.WriteFile(record, data, 0o600),
			os.WriteFile(filepath.Join(dir, ".ipfs-kit-backend.json"), data, 0o600)); err != nil {
			t.Fatal(err)
		}
		var corrupt *backend.CorruptError
		if _, err := a.Stat(t.Context(), c); err != nil && !errors.As(err, &corrupt) {
			t.Errorf("stat: %v", err)
		}
		if s, err := a.Sentinel(t.Context()); err != nil && !errors.As(err, &corrupt) || err == nil && s.ID == "" {
			t.Errorf("sentinel: %+v %v", s, err)
		}
		if _, err := a.Put(t.Context(), c, backend.Source{Size: 1}, nil); err != nil {
			t.Errorf("put: %v", err)
		}
		if _, err := a.Verify(t.Context(), c); err != nil {
			t.Errorf("verify after put: %v", err)
		}
	})
}

// Whatever stands in a folder: a sweep takes only what has a temporary name of ours.
func FuzzSweep(f *testing.F) {
	f.Add(".ipfs-kit-0-1-2-3.part")
	f.Add(".ipfs-kit-.part")
	f.Add("x.car")
	f.Add(".ipfs-kit-a-99999999999999999999-x-y.part")
	f.Fuzz(func(t *testing.T, name string) {
		dir := t.TempDir()
		if name == "" || strings.ContainsAny(name, "/\x00") || len(name) > 200 || name == "." || name == ".." {
			t.Skip()
		}
		file := filepath.Join(dir, "cars", name)
		old := time.Now().Add(-24 * time.Hour)
		if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600), os.Chtimes(file, old, old)); err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir, deps()).Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		ours := strings.HasPrefix(name, ".ipfs-kit-") && strings.HasSuffix(name, ".part")
		if _, err := os.Lstat(file); err != nil && !ours {
			t.Errorf("%q was removed", name)
		}
	})
}
