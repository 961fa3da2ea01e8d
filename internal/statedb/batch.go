package statedb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

const (
	// gather is how long writes wait for company. Of a task that ended and was told as that, a kill within this time
	// leaves what it was before: it lives again under its id, and finds its work done. To write first and tell then
	// would cost a commit a task, and another id would break the promise of a request that is not done.
	gather = 200 * time.Millisecond
	// calm is how long those wait that nobody misses after a crash: checks that went well, counts.
	calm = 30 * time.Second
	// pruneEvery is after how many tasks the oldest ones are looked for.
	pruneEvery = 500
	// again is when a batch that could not be written is tried again.
	again = 30 * time.Second
	// maxWaiting bounds what waits in memory while nothing can be written.
	maxWaiting = 10_000
	// keepTasks bounds the finished tasks that are kept.
	keepTasks = 20_000
	// KeepErrors bounds the kinds of trouble that are kept of one backend: an error may have a number in it that never comes again.
	KeepErrors = 10
)

type errorKey struct{ backend, class, message string }

// batch is what waits to be written together.
type batch struct {
	backends map[string][]byte // documents; nil: delete
	tasks    []status.Task
	errors   map[errorKey]status.ErrorEntry
	counters map[string]uint64
	drops    map[uint64]bool // requests that are done
}

func newBatch() batch {
	return batch{backends: map[string][]byte{}, errors: map[errorKey]status.ErrorEntry{}, counters: map[string]uint64{}, drops: map[uint64]bool{}}
}

func (b *batch) empty() bool {
	return len(b.backends)+len(b.tasks)+len(b.errors)+len(b.counters)+len(b.drops) == 0
}

// SaveBackend keeps the document of a backend; nil forgets it. It is written soon.
func (db *DB) SaveBackend(name string, doc any) error {
	var body []byte
	if doc != nil {
		var err error
		if body, err = json.Marshal(doc); err != nil {
			return fmt.Errorf("save backend %s: %w", name, err)
		}
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.waiting.backends[name] = body
	db.poke()
	return nil
}

// DropRequest forgets a request that is done, together with what came of it. It is written soon.
func (db *DB) DropRequest(id uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.waiting.drops[id] = true
	db.poke()
}

// SaveTask keeps a finished task. It is written soon, or with the next batch where it is a check that went well.
func (db *DB) SaveTask(t status.Task) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.waiting.tasks) < maxWaiting {
		db.waiting.tasks = append(db.waiting.tasks, t)
	}
	if t.Kind == status.KindHealthCheck && t.State == status.TaskDone {
		db.PokeCalm()
		return
	}
	db.poke()
}

// SaveError keeps one kind of trouble with its counts. It is written soon.
func (db *DB) SaveError(e status.ErrorEntry) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.waiting.errors) < maxWaiting {
		db.waiting.errors[errorKey{e.Backend, e.Class, e.Message}] = e
	}
	db.poke()
}

// SaveCounter keeps a number. It is written with the next batch.
func (db *DB) SaveCounter(name string, n uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.waiting.counters[name] = n
	db.PokeCalm()
}

// Poke has a batch written soon: a room has something for it.
func (db *DB) Poke() { db.poke() }

// PokeCalm has a batch written within half a minute, if nothing else is written before.
func (db *DB) PokeCalm() {
	select {
	case db.kickCalm <- struct{}{}:
	default: // the writer is awake
	}
}

func (db *DB) poke() {
	select {
	case db.kick <- struct{}{}:
	default: // the writer is awake
	}
}

// run writes batches until Close.
func (db *DB) run() {
	defer close(db.done)
	t := db.clk.NewTimer(time.Hour)
	t.Stop()
	defer t.Stop()
	waiting, soon := false, false // a batch is due; and after gather, not calm
	for {
		select {
		case <-db.stop:
			db.write()
			return
		case <-db.kickCalm:
			if !waiting {
				t.Reset(calm)
				waiting = true
			}
		case <-db.kick:
			if !soon {
				t.Reset(gather)
				waiting, soon = true, true
			}
		case <-t.C:
			waiting, soon = false, false
			if !db.write() {
				t.Reset(again)
				waiting, soon = true, true
			}
		}
	}
}

// Flush writes what waits now.
func (db *DB) Flush() { db.write() }

// write puts all that waits into one transaction; what fails waits again.
func (db *DB) write() bool {
	db.order.Lock()
	defer db.order.Unlock()
	db.mu.Lock()
	b := db.waiting
	db.waiting = newBatch()
	rooms := db.rooms
	db.mu.Unlock()
	parts := takeParts(rooms)
	if b.empty() && len(parts) == 0 {
		return true
	}
	ctx := context.Background()
	prune := db.sincePrune.Load()+int64(len(b.tasks)) >= pruneEvery
	var lost []error
	err := db.tx(ctx, func(tx *sql.Tx) (err error) {
		if err := writeBatch(ctx, tx, b, prune); err != nil {
			return err
		}
		lost, err = writeParts(ctx, tx, parts)
		return err
	})
	if err == nil {
		db.sincePrune.Add(int64(len(b.tasks)))
		if prune {
			db.sincePrune.Store(0)
		}
		// Only now: who is told may wait for one that waits for the database.
		failed := len(lost) > 0
		if was := db.failing.Swap(failed); (failed || was) && db.onError != nil {
			db.onError(errors.Join(lost...))
		}
		return true
	}
	for _, p := range parts {
		p.Failed()
	}
	db.failing.Store(true)
	if db.onError != nil {
		db.onError(fmt.Errorf("write the state database: %w", err))
	}
	db.putBack(b)
	return false
}

// putBack keeps what could not be written, unless something newer came.
func (db *DB) putBack(old batch) {
	db.mu.Lock()
	defer db.mu.Unlock()
	putBack(db.waiting.backends, old.backends)
	putBack(db.waiting.errors, old.errors)
	putBack(db.waiting.counters, old.counters)
	putBack(db.waiting.drops, old.drops)
	if room := maxWaiting - len(db.waiting.tasks); room > 0 {
		db.waiting.tasks = append(old.tasks[max(0, len(old.tasks)-room):len(old.tasks):len(old.tasks)], db.waiting.tasks...)
	}
}

func putBack[K comparable, V any](waiting, old map[K]V) {
	for k, v := range old {
		if _, newer := waiting[k]; !newer {
			waiting[k] = v
		}
	}
}

// pruneErrors keeps the kinds of trouble of each backend that were seen last.
const pruneErrors = `DELETE FROM errors WHERE (backend, class, message) IN (SELECT backend, class, message FROM
	(SELECT backend, class, message, row_number() OVER (PARTITION BY backend ORDER BY last DESC) AS n FROM errors) WHERE n > ?)`

func writeBatch(ctx context.Context, tx *sql.Tx, b batch, prune bool) error {
	prepared := map[string]*sql.Stmt{} // of one batch there may be ten thousand; they end with the transaction
	exec := func(q string, args ...any) error {
		stmt, ok := prepared[q]
		if !ok {
			var err error
			if stmt, err = tx.PrepareContext(ctx, q); err != nil {
				return err
			}
			prepared[q] = stmt
		}
		_, err := stmt.ExecContext(ctx, args...)
		return err
	}
	for name, body := range b.backends {
		q, args := "INSERT OR REPLACE INTO backends(name, body) VALUES(?, ?)", []any{name, string(body)}
		if body == nil {
			q, args = "DELETE FROM backends WHERE name = ?", []any{name}
		}
		if err := exec(q, args...); err != nil {
			return err
		}
	}
	for _, t := range b.tasks {
		body, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if err := exec("INSERT OR REPLACE INTO tasks(id, backend, kind, state, finished, body) VALUES(?,?,?,?,?,?)",
			int64(t.ID), t.Backend, t.Kind, t.State, t.Finished.UnixMicro(), string(body)); err != nil { //nolint:gosec // ids are far below 2^63
			return err
		}
	}
	for _, e := range b.errors {
		if err := exec("INSERT OR REPLACE INTO errors(backend, class, message, first, last, count) VALUES(?,?,?,?,?,?)",
			e.Backend, e.Class, e.Message, e.First.UnixMicro(), e.Last.UnixMicro(), int64(e.Count)); err != nil { //nolint:gosec // a count is far below 2^63
			return err
		}
	}
	for name, n := range b.counters {
		if err := exec("INSERT OR REPLACE INTO meta(key, value) VALUES(?,?)", "counter:"+name, int64(n)); err != nil { //nolint:gosec // as above
			return err
		}
	}
	for id := range b.drops {
		if err := exec("DELETE FROM requests WHERE id = ?", int64(id)); err != nil { //nolint:gosec // ids are far below 2^63
			return err
		}
	}
	if prune {
		if err := exec(pruneErrors, KeepErrors); err != nil {
			return err
		}
		return exec("DELETE FROM tasks WHERE id <= (SELECT id FROM tasks ORDER BY id DESC LIMIT 1 OFFSET ?)", keepTasks)
	}
	return nil
}
