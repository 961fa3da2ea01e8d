package statedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Check tells whether a database that nobody uses can be read. It reads a copy,
// since SQLite would write beside the file itself. fs.ErrNotExist when there is none, ErrNewer when it is no damage.
func Check(ctx context.Context, path string) (err error) {
	dir, err := os.MkdirTemp("", "ipfs-kit-check-")
	if err != nil {
		return fmt.Errorf("make a folder to check the state database in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "state.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(path+suffix, file+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("read the state database: %w", err)
		}
	}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath()}).String())
	if err != nil {
		return fmt.Errorf("open the state database: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	var ok string
	if err := pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&ok); err != nil {
		return classify(err)
	}
	if ok != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, ok)
	}
	var version int
	if err := pool.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return classify(err)
	}
	if version > len(migrations) {
		return newer(version)
	}
	return nil
}

// Aside lists what was kept of databases that were damaged; the newest is the last.
func Aside(path string) (kept []string) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil // there is no state yet, or others say why it can't be read
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+asideMark) {
			kept = append(kept, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return kept
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
