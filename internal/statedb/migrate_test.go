package statedb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

// testdata/schema1.db was written by this program when its schema had version 1, with a row in each table.
func TestDatabaseOfVersionOneIsBroughtUpToDateAndNothingIsLost(t *testing.T) {
	data, err := os.ReadFile("testdata/schema1.db")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		db := open1(t, path)
		var version int
		if err := db.sql.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != len(migrations) {
			t.Errorf("version %d %v", version, err)
		}
		foundAll(t, db)
		for _, table := range []string{"history_names", "history_samples", "history_events", "history_sums", "history_totals"} {
			var n int
			if err := db.sql.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s: %d rows, %v", table, n, err)
			}
		}
		shut(t, db)
	}
}

func foundAll(t *testing.T, db *DB) {
	t.Helper()
	when := time.UnixMicro(1_700_000_000_000_000)
	if r, err := db.Requests(t.Context()); err != nil || len(r) != 1 || r[0].ID != 7 || !r[0].Created.Equal(when) {
		t.Errorf("requests %v %v", r, err)
	}
	if b, err := db.Backends(t.Context()); err != nil || string(b["nas"]) != `{"n":3}` {
		t.Errorf("backends %s %v", b, err)
	}
	if c, err := db.Counters(t.Context()); err != nil || c["completed"] != 5 {
		t.Errorf("counters %v %v", c, err)
	}
	if e, err := db.Errors(t.Context()); err != nil || len(e) != 1 || e[0].Count != 2 {
		t.Errorf("errors %v %v", e, err)
	}
	if page, _, err := db.Tasks(t.Context(), status.TaskQuery{Backend: "nas"}); err != nil || len(page) != 5 || !page[4].Finished.Equal(when) {
		t.Errorf("tasks %v %v", page, err)
	}
	if first, _, err := db.ReserveIDs(t.Context()); err != nil || first < 1001 {
		t.Errorf("id %d comes again, %v", first, err)
	}
	var state string
	if err := db.sql.QueryRow("SELECT p.status FROM pins p JOIN pin_backends b ON b.id = p.backend WHERE b.name = 'nas' AND p.cid = x'0155'").Scan(&state); err != nil || state != "stored" {
		t.Errorf("pins %q %v", state, err)
	}
}

func TestMigrationThatFailsLeavesTheDatabaseAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	data, err := os.ReadFile("testdata/schema1.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	good := migrations
	migrations = append(good[:1:1], "CREATE TABLE half_done (a); CREATE TABLE tasks (b)")
	_, _, err = Open(t.Context(), path, Options{Clock: clock.System})
	migrations = good
	if err == nil || !strings.Contains(err.Error(), "schema to version 2") {
		t.Fatalf("error %v", err)
	}
	db := open1(t, path)
	defer shut(t, db)
	foundAll(t, db)
	if err := db.sql.QueryRow("SELECT 1 FROM half_done").Scan(new(int)); err == nil {
		t.Error("half a migration stayed")
	}
}

// room is one that keeps a table of numbers.
type room struct {
	waiting []int
	err     error
}

func (r *room) Take() *Part {
	if len(r.waiting) == 0 {
		return nil
	}
	taken := r.waiting
	r.waiting = nil
	return &Part{Write: func(ctx context.Context, tx *sql.Tx) error {
		for _, n := range taken {
			if _, err := tx.ExecContext(ctx, "INSERT INTO numbers(n) VALUES(?)", n); err != nil {
				return err
			}
		}
		return r.err
	}, Failed: func() { r.waiting = taken }}
}

func TestRoomsWriteWithTheBatchAndFailAlone(t *testing.T) {
	db := open1(t, filepath.Join(t.TempDir(), "state.db"))
	defer shut(t, db)
	if _, err := db.sql.Exec("CREATE TABLE numbers(n)"); err != nil {
		t.Fatal(err)
	}
	r := &room{waiting: []int{1, 2}, err: errors.New("no")}
	db.Attach(r)
	db.SaveCounter("completed", 3)
	db.Flush()
	count := func() (n int) {
		if err := db.sql.QueryRow("SELECT count(*) FROM numbers").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if c, err := db.Counters(t.Context()); err != nil || c["completed"] != 3 || count() != 0 || len(r.waiting) != 2 {
		t.Errorf("counters %v %v, %d rows, %v wait", c, err, count(), r.waiting)
	}
	r.err = nil
	db.Flush()
	if count() != 2 || r.waiting != nil {
		t.Errorf("%d rows, %v wait", count(), r.waiting)
	}
}
