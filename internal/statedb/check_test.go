package statedb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ipfskit.org/intelligent/internal/clock"
)

func TestCheckReadsACopyAndLeavesTheDatabaseAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := Check(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none there: %v", err)
	}
	db, _, err := Open(t.Context(), path, Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), path); err != nil {
		t.Errorf("with what waits in the log beside it: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("this is no database, and never was one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(t.Context(), path); !errors.Is(err, errDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("something was written beside it: %v %v", entries, err)
	}
}
