package statedb

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// explain adds what the system says where SQLite only says that it can't.
func explain(err error, path string) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Code()&0xff != sqlite3.SQLITE_CANTOPEN && e.Code()&0xff != sqlite3.SQLITE_READONLY {
		return err
	}
	for _, p := range []string{filepath.Dir(path), path} {
		if why := unix.Access(p, unix.R_OK|unix.W_OK); why != nil && !errors.Is(why, fs.ErrNotExist) {
			mend := "let the user of the service read and write it"
			if errors.Is(why, unix.EROFS) {
				mend = "mount it for writing"
			}
			return fmt.Errorf("%w: %s: %w; %s", err, p, why, mend)
		}
	}
	return err
}

// classify marks the errors of SQLite that mean a damaged file.
func classify(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return err
}
