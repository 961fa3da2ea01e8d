package statedb

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open1(t *testing.T, path string) *DB {
	t.Helper()
	db, note, err := Open(t.Context(), path, Options{Clock: clock.System, OnError: func(err error) { t.Log(err) }})
	if err != nil || note != "" {
		t.Fatalf("open: %v %s", err, note)
	}
	return db
}

func shut(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestIDsNeverComeTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.db")
	seen := map[uint64]bool{}
	for range 3 {
		db := open1(t, path)
		for range 2 {
			first, n, err := db.ReserveIDs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for id := first; id < first+n; id++ {
				if seen[id] || id == 0 {
					t.Fatalf("id %d was given twice", id)
				}
				seen[id] = true
			}
		}
		shut(t, db)
	}
}

func TestWhatWasSavedIsThereAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?#%.db")
	db := open1(t, path)
	when := time.UnixMicro(1_700_000_000_000_000)
	if err := db.AddRequests(t.Context(), Request{ID: 7, Kind: status.KindPinSync, Backend: "nas", Created: when}); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveBackend("nas", map[string]int{"n": 3}); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveBackend("gone", map[string]int{}); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveBackend("gone", nil); err != nil {
		t.Fatal(err)
	}
	for id := range uint64(5) {
		db.SaveTask(status.Task{ID: id + 1, Kind: status.KindPinSync, Backend: "nas", State: status.TaskDone, Finished: when})
	}
	db.SaveError(status.ErrorEntry{Backend: "nas", Class: "quota", Message: "full", First: when, Last: when, Count: 2})
	db.SaveCounter("completed", 5)
	shut(t, db)

	db = open1(t, path)
	defer shut(t, db)
	if r, err := db.Requests(t.Context()); err != nil || len(r) != 1 || r[0].ID != 7 || !r[0].Created.Equal(when) {
		t.Errorf("requests %v %v", r, err)
	}
	if b, err := db.Backends(t.Context()); err != nil || len(b) != 1 || string(b["nas"]) != `{"n":3}` {
		t.Errorf("backends %s %v", b, err)
	}
	if c, err := db.Counters(t.Context()); err != nil || c["completed"] != 5 {
		t.Errorf("counters %v %v", c, err)
	}
	if e, err := db.Errors(t.Context()); err != nil || len(e) != 1 || e[0].Count != 2 || !e[0].First.Equal(when) {
		t.Errorf("errors %v %v", e, err)
	}
	page, cursor, err := db.Tasks(t.Context(), status.TaskQuery{Backend: "nas", Limit: 3})
	if err != nil || len(page) != 3 || page[0].ID != 5 {
		t.Fatalf("tasks %v %v", page, err)
	}
	page, cursor, err = db.Tasks(t.Context(), status.TaskQuery{Limit: 3, Cursor: cursor})
	if err != nil || len(page) != 2 || cursor != "" {
		t.Errorf("second page %v %q %v", page, cursor, err)
	}
	db.DropRequest(7)
	db.Flush()
	if left, err := db.Requests(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("requests that are left: %v %v", left, err)
	}
}

func TestDamagedDatabaseIsKeptAsideAndSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open1(t, path)
	shut(t, db)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[100:], strings.Repeat("rubbish ", 500))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db, note, err := Open(t.Context(), path, Options{Clock: clock.System})
	if err != nil || !strings.Contains(note, "kept as") {
		t.Fatalf("note %q, error %v", note, err)
	}
	defer shut(t, db)
	if m, err := filepath.Glob(path + ".damaged-*"); err != nil || len(m) != 1 {
		t.Errorf("the damaged file is not kept: %v %v", m, err)
	}
}

// Two that are damaged within one second are both kept.
func TestEachDamagedDatabaseIsKeptUnderANameOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time passes in here
		path := filepath.Join(t.TempDir(), "state.db")
		for n, text := range []string{"the first that was damaged", "the second", "the third"} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			db, note, err := Open(t.Context(), path, Options{Clock: clock.System})
			if err != nil {
				t.Fatal(err)
			}
			shut(t, db)
			kept := Aside(path)
			if len(kept) != n+1 {
				t.Fatalf("kept: %v", kept)
			}
			newest := kept[n]
			if data, err := os.ReadFile(newest); err != nil || string(data) != text || !strings.Contains(note, newest) {
				t.Errorf("%s has %q (%v), and it was said: %s", newest, data, err, note)
			}
		}
	})
}

// SQLite says only that it is unable to open the file; the system's reason and what to do are added.
func TestWhyTheDatabaseCannotBeOpenedIsSaid(t *testing.T) {
	for what, there := range map[string]bool{"a new one": false, "one that is there": true} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.db")
			if there {
				shut(t, open1(t, path))
			}
			why, mend := "permission denied", "let the user of the service read and write it"
			if os.Geteuid() == 0 { // whom no permission stops
				why, mend = "read-only file system", "mount it for writing"
				testenv.Root(t)
				for _, flags := range []uintptr{unix.MS_BIND, unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY} {
					if err := unix.Mount(dir, dir, "", flags, ""); err != nil {
						t.Fatal(err)
					}
				}
				defer unix.Unmount(dir, unix.MNT_DETACH)
			} else {
				if err := os.Chmod(dir, 0o500); err != nil {
					t.Fatal(err)
				}
				defer os.Chmod(dir, 0o700)
			}
			_, _, err := Open(t.Context(), path, Options{Clock: clock.System})
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, words := range []string{path, dir + ": " + why + "; " + mend} {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q is not in: %v", words, err)
				}
			}
			var e *sqlite.Error
			if !errors.As(err, &e) {
				t.Errorf("what SQLite says is lost: %v", err)
			}
		})
	}
}

func TestOfABackendsKindsOfTroubleTheLatestAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open1(t, path)
	when := time.UnixMicro(1_700_000_000_000_000)
	for i := range 3 * KeepErrors {
		for _, name := range []string{"nas", "attic"} {
			last := when.Add(time.Duration(i) * time.Minute)
			db.SaveError(status.ErrorEntry{Backend: name, Class: "network", Message: fmt.Sprintf("port %d: connection reset", i), First: last, Last: last, Count: 1})
		}
	}
	db.SaveError(status.ErrorEntry{Backend: "calm", Class: "quota", Message: "full", First: when, Last: when, Count: 1})
	db.Flush()
	kept := func() map[string]int {
		list, err := db.Errors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, e := range list {
			n[e.Backend]++
			if e.Backend != "calm" && e.Last.Before(when.Add(2*KeepErrors*time.Minute)) && len(list) < 3*KeepErrors {
				t.Errorf("an old one stayed: %+v", e)
			}
		}
		return n
	}
	if n := kept(); n["nas"] != 3*KeepErrors {
		t.Errorf("%v", n)
	}
	want := map[string]int{"nas": KeepErrors, "attic": KeepErrors, "calm": 1}
	for id := range uint64(pruneEvery) {
		db.SaveTask(status.Task{ID: id + 1, Kind: status.KindPinSync, Backend: "nas", State: status.TaskDone, Finished: when})
	}
	db.Flush()
	if n := kept(); !maps.Equal(n, want) {
		t.Errorf("after a batch that prunes: %v", n)
	}
	for i := range 3 * KeepErrors {
		db.SaveError(status.ErrorEntry{Backend: "nas", Class: "again", Message: fmt.Sprint(i), First: when, Last: when.Add(time.Hour), Count: 1})
	}
	shut(t, db)
	db = open1(t, path)
	defer shut(t, db)
	if n := kept(); !maps.Equal(n, want) {
		t.Errorf("after a start: %v", n)
	}
}

// What can't be forgotten at the start keeps nobody from starting, and is told to nobody: who would hear it waits for Open.
func TestAStartThatCannotForgetTellsNobodyYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open1(t, path)
	when := time.UnixMicro(1_700_000_000_000_000)
	for i := range KeepErrors + 2 {
		db.SaveError(status.ErrorEntry{Backend: "nas", Class: "network", Message: fmt.Sprint(i), First: when, Last: when, Count: 1})
	}
	db.Flush()
	err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TRIGGER full BEFORE DELETE ON errors BEGIN SELECT RAISE(FAIL, 'the disk is full'); END")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, db)
	opened := false
	db, _, err = Open(t.Context(), path, Options{Clock: clock.System, OnError: func(err error) {
		if !opened {
			t.Errorf("told before it was open: %v", err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	opened = true
	shut(t, db)
}

// The log of a large transaction does not stay as large as it was.
func TestTheLogBesideTheDatabaseStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open1(t, path)
	defer shut(t, db)
	size := func() int64 {
		fi, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec("CREATE TABLE filler(x)"); err != nil {
			return err
		}
		_, err := tx.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 32) INSERT INTO filler SELECT zeroblob(1048576) FROM n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := size(); n < 16<<20 {
		t.Skipf("the log had only %d bytes", n) // another way of SQLite to write it
	}
	for i := range uint64(3) {
		db.SaveCounter("n", i)
		db.Flush()
	}
	if n := size(); n > 10<<20 {
		t.Errorf("%d bytes are left", n)
	}
}

func TestDatabaseOfANewerVersionIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open1(t, path)
	if _, err := db.sql.Exec("PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	shut(t, db)
	if _, _, err := Open(t.Context(), path, Options{Clock: clock.System}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("error %v", err)
	}
}

func TestBatchThatCannotBeWrittenWaitsForTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db := open1(t, path)
	if _, err := db.sql.Exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	var told []error
	db.onError = func(err error) { told = append(told, err) }
	db.SaveCounter("completed", 9)
	db.Flush()
	if _, err := db.sql.Exec("PRAGMA query_only = 0"); err != nil {
		t.Fatal(err)
	}
	db.Flush()
	if len(told) != 2 || told[0] == nil || told[1] != nil {
		t.Errorf("told %v, want an error and then that it went well", told)
	}
	if c, err := db.Counters(t.Context()); err != nil || c["completed"] != 9 {
		t.Errorf("counters %v %v", c, err)
	}
	shut(t, db)
}

// Checks that go well are written together; whatever else comes takes them along at once.
func TestChecksThatWentWellWaitForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open1(t, filepath.Join(t.TempDir(), "state.db"))
		kept := func() (n int) {
			if err := db.sql.QueryRow("SELECT count(*) FROM tasks").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		check := func(id uint64, state string) {
			db.SaveTask(status.Task{ID: id, Kind: status.KindHealthCheck, Backend: "nas", State: state, Finished: time.Now()})
		}
		check(1, status.TaskDone)
		time.Sleep(10 * time.Second)
		if n := kept(); n != 0 {
			t.Errorf("%d tasks are written", n)
		}
		check(2, status.TaskFailed)
		time.Sleep(time.Second)
		if n := kept(); n != 2 {
			t.Errorf("%d tasks are written after one that failed", n)
		}
		check(3, status.TaskDone)
		time.Sleep(time.Minute)
		if n := kept(); n != 3 {
			t.Errorf("%d tasks are written after a minute", n)
		}
		shut(t, db)
	})
}

func TestAFolderInTheDatabasesPlaceIsKeptAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	db, note, err := Open(t.Context(), path, Options{Clock: clock.System})
	if err != nil || !strings.Contains(note, "is a folder") {
		t.Fatalf("note %q, error %v", note, err)
	}
	shut(t, db)
	if kept := Aside(path); len(kept) != 1 {
		t.Errorf("kept: %v", kept)
	}
}
