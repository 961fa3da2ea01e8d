// Package statedb is the service's own memory: one SQLite database with what
// can't be derived from the home again (requests of people, ids of tasks,
// attempts, pauses, counters) and what is shown later (finished tasks, errors).
// Only requests are written at once and synced; the rest is gathered and
// written together, and its loss costs a look at the home and nothing more. A
// full disk therefore never stops derived work.
package statedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"ipfskit.org/intelligent/internal/clock"

	_ "modernc.org/sqlite" // the driver, in pure Go
)

// DB is the open database. It is safe for concurrent use.
type DB struct {
	sql *sql.DB
	clk clock.Clock
	// onError is told what could not be written, which is tried again with the next batch, and nil once that went well.
	onError func(error)

	// sincePrune counts the tasks that were written since the oldest ones were looked for.
	sincePrune atomic.Int64
	// failing: the last batch could not be written.
	failing atomic.Bool

	// order is held while a batch or a request is written, so that neither undoes the other.
	order sync.Mutex

	mu             sync.Mutex
	waiting        batch
	rooms          []Room
	kick, kickCalm chan struct{}
	stop           chan struct{}
	done           chan struct{}
}

// Options of a database.
type Options struct {
	// Clock that batches are written by.
	Clock clock.Clock
	// OnError is told about batches that could not be written, and nil once they can be again.
	OnError func(error)
}

// migrations bring the schema from version i to i+1. They are never changed, only appended to.
var migrations = []string{
	`CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
	CREATE TABLE requests (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, backend TEXT NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL);
	CREATE TABLE backends (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
	CREATE TABLE tasks (id INTEGER PRIMARY KEY, backend TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, finished INTEGER NOT NULL, body TEXT NOT NULL);
	CREATE INDEX tasks_finished ON tasks(finished);
	CREATE TABLE errors (backend TEXT NOT NULL, class TEXT NOT NULL, message TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
		PRIMARY KEY (backend, class, message)) WITHOUT ROWID;
	CREATE TABLE pin_backends (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL);
	CREATE TABLE pins (cid BLOB NOT NULL, backend INTEGER NOT NULL, status TEXT NOT NULL, PRIMARY KEY (cid, backend)) WITHOUT ROWID;
	CREATE INDEX pins_backend ON pins(backend);`,
	// Times of samples and events are µs since the epoch, and their keys; those of sums and totals are hours since it.
	`CREATE TABLE history_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
	CREATE TABLE history_samples (time INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name INTEGER NOT NULL, ok INTEGER NOT NULL, took INTEGER NOT NULL, note TEXT NOT NULL);
	CREATE TABLE history_events (time INTEGER PRIMARY KEY, what TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
	CREATE TABLE history_sums (unit INTEGER NOT NULL, start INTEGER NOT NULL, kind INTEGER NOT NULL, name INTEGER NOT NULL, n INTEGER NOT NULL, ok INTEGER NOT NULL,
		timed INTEGER NOT NULL, least INTEGER NOT NULL, most INTEGER NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (unit, start, kind, name)) WITHOUT ROWID;
	CREATE TABLE history_totals (start INTEGER PRIMARY KEY, body TEXT NOT NULL);`,
}

// Open opens or makes the database at path. A damaged one is moved aside (it is
// kept beside, and note says where) and a new one begun. The folder is made if needed.
func Open(ctx context.Context, path string, o Options) (db *DB, note string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, "", fmt.Errorf("make the state folder: %w", err)
	}
	db, err = open(ctx, path, o)
	if err == nil {
		return db, "", nil
	}
	if fi, e := os.Stat(path); e == nil && fi.IsDir() {
		err = fmt.Errorf("%w: %s is a folder", errDamaged, path)
	}
	if !errors.Is(err, errDamaged) {
		return nil, "", err
	}
	aside, e := freeAside(path, o.Clock.Now())
	if e == nil {
		e = os.Rename(path, aside)
	}
	if e != nil {
		return nil, "", fmt.Errorf("move the damaged state database aside: %w", errors.Join(e, err))
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if e := os.Remove(path + suffix); e != nil && !errors.Is(e, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("remove what belongs to the damaged state database: %w", e)
		}
	}
	note = fmt.Sprintf("the state database was damaged (%v); it is kept as %s, and a new one was begun: requests and history of before are not in it", err, aside)
	db, err = open(ctx, path, o)
	return db, note, err
}

// asideMark stands in the names of databases that were damaged, before the time.
const asideMark = ".damaged-"

// freeAside is a name for a damaged database that nothing has yet: two may be damaged within one second.
func freeAside(path string, now time.Time) (string, error) {
	first := fmt.Sprintf("%s%s%d", path, asideMark, now.Unix())
	name := first
	for n := 2; ; n++ {
		_, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s-%d", first, n)
	}
}

var errDamaged = errors.New("damaged")

// journalSize is how much of the log beside the database stays after a large transaction, such as the index of all pins.
const journalSize = "journal_size_limit(8388608)"

func open(ctx context.Context, path string, o Options) (*DB, error) {
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", journalSize, "synchronous(FULL)", "cache_size(-1024)", "temp_store(MEMORY)", "foreign_keys(0)"},
		"_txlock": {"immediate"},
	}.Encode()}).String()
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open the state database: %w", err)
	}
	pool.SetMaxOpenConns(1)
	db := &DB{sql: pool, clk: o.Clock, onError: o.OnError, kick: make(chan struct{}, 1), kickCalm: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	db.waiting = newBatch()
	if err := db.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the state database %s: %w", path, explain(err, path)), pool.Close())
	}
	go db.run()
	return db, nil
}

// prepare checks the file and brings its schema up to date.
func (db *DB) prepare(ctx context.Context) error {
	var ok string
	if err := db.sql.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&ok); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return classify(err)
	}
	if ok != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, ok)
	}
	var version int
	if err := db.sql.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return classify(err)
	}
	if version > len(migrations) {
		return newer(version)
	}
	for ; version < len(migrations); version++ {
		if err := db.migrate(ctx, version); err != nil {
			return fmt.Errorf("bring its schema to version %d: %w", version+1, err)
		}
	}
	// Where the service is often started again, no batch comes that prunes. A full disk is no reason not to start:
	// the first batch that can't be written tells of it, to somebody who is there by then.
	db.sql.ExecContext(ctx, pruneErrors, KeepErrors) //nolint:errcheck // see above
	return nil
}

// ErrNewer says that a database was written by a newer version of this program.
var ErrNewer = errors.New("it was written by a newer version of this program")

func newer(version int) error {
	return fmt.Errorf("%w (schema %d, this one knows %d); use that one, or move the file away", ErrNewer, version, len(migrations))
}

func (db *DB) migrate(ctx context.Context, version int) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1))
		return err
	})
}

// tx runs f in a transaction.
func (db *DB) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// Close writes what waits and closes the database.
func (db *DB) Close() error {
	close(db.stop)
	<-db.done
	if err := db.sql.Close(); err != nil {
		return fmt.Errorf("close the state database: %w", err)
	}
	return nil
}

// Tx runs f in a transaction of its own, for the rooms that keep tables here.
func (db *DB) Tx(ctx context.Context, f func(*sql.Tx) error) error { return db.tx(ctx, f) }

// Query reads, for the rooms that keep tables here.
func (db *DB) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.sql.QueryContext(ctx, query, args...)
}
