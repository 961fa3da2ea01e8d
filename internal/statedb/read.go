package statedb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// idBlock is how many ids are reserved at once: one write for a thousand tasks.
const idBlock = 1000

// ReserveIDs reserves a block of ids that were never used, and never will be by
// others: first to first+n-1.
func (db *DB) ReserveIDs(ctx context.Context) (first, n uint64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		var next int64 = 1
		e := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'next_id'").Scan(&next)
		if e != nil && !errors.Is(e, sql.ErrNoRows) {
			return e
		}
		first = uint64(next) //nolint:gosec // it is positive
		_, e = tx.ExecContext(ctx, "INSERT OR REPLACE INTO meta(key, value) VALUES('next_id', ?)", next+idBlock)
		return e
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reserve ids of tasks: %w", err)
	}
	return first, idBlock, nil
}

// Request is what a person or program asked for and what is not done yet.
type Request struct {
	// ID is that of its task.
	ID uint64
	// Kind of the task.
	Kind string
	// Backend is the name of the one that it is about.
	Backend string
	// Created is when it was asked for.
	Created time.Time
	// Body is JSON of the options.
	Body json.RawMessage
}

// AddRequests writes requests down before they are answered: all or none of them, and they survive a power loss. The ids
// are the tasks'.
func (db *DB) AddRequests(ctx context.Context, rs ...Request) error {
	db.order.Lock()
	defer db.order.Unlock()
	db.mu.Lock()
	for _, r := range rs {
		delete(db.waiting.drops, r.ID) // it is asked for again
	}
	db.mu.Unlock()
	err := db.tx(ctx, func(tx *sql.Tx) error {
		add, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO requests(id, kind, backend, created, body) VALUES(?,?,?,?,?)")
		if err != nil {
			return err
		}
		defer add.Close() //nolint:errcheck // the transaction tells
		for _, r := range rs {
			body := r.Body
			if body == nil {
				body = json.RawMessage("{}")
			}
			if _, err := add.ExecContext(ctx, int64(r.ID), r.Kind, r.Backend, r.Created.UnixMicro(), string(body)); err != nil { //nolint:gosec // ids are far below 2^63
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write down what was asked for: %w", err)
	}
	return nil
}

// Requests lists what is not done, oldest first.
func (db *DB) Requests(ctx context.Context) ([]Request, error) {
	return list(ctx, db, "SELECT id, kind, backend, created, body FROM requests ORDER BY id", nil, func(rows *sql.Rows) (r Request, err error) {
		var created int64
		var body string
		err = rows.Scan(&r.ID, &r.Kind, &r.Backend, &created, &body)
		r.Created, r.Body = time.UnixMicro(created), json.RawMessage(body)
		return r, err
	})
}

// Backends gives the documents of all backends.
func (db *DB) Backends(ctx context.Context) (map[string]json.RawMessage, error) {
	type doc struct{ name, body string }
	docs, err := list(ctx, db, "SELECT name, body FROM backends", nil, func(rows *sql.Rows) (d doc, err error) {
		return d, rows.Scan(&d.name, &d.body)
	})
	out := make(map[string]json.RawMessage, len(docs))
	for _, d := range docs {
		out[d.name] = json.RawMessage(d.body)
	}
	return out, err
}

// Counters gives the numbers that were saved.
func (db *DB) Counters(ctx context.Context) (map[string]uint64, error) {
	type counter struct {
		name string
		n    int64
	}
	cs, err := list(ctx, db, "SELECT substr(key, 9), value FROM meta WHERE key LIKE 'counter:%'", nil, func(rows *sql.Rows) (c counter, err error) {
		return c, rows.Scan(&c.name, &c.n)
	})
	out := map[string]uint64{}
	for _, c := range cs {
		out[c.name] = uint64(c.n) //nolint:gosec // it was one
	}
	return out, err
}

// Tasks pages finished tasks, newest first; the cursor is an id.
func (db *DB) Tasks(ctx context.Context, q status.TaskQuery) (page []status.Task, cursor string, err error) {
	before := int64(1) << 62
	if q.Cursor != "" {
		if before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil {
			return nil, "", status.Errorf(status.InvalidArgument, "cursor %q is not one that this service gave", q.Cursor)
		}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	var since int64
	if !q.Since.IsZero() {
		since = q.Since.UnixMicro()
	}
	page, err = list(ctx, db, `SELECT body FROM tasks WHERE id < ? AND finished >= ? AND (? = '' OR state = ?) AND (? = '' OR backend = ?) ORDER BY id DESC LIMIT ?`,
		[]any{before, since, q.State, q.State, q.Backend, q.Backend, limit + 1}, func(rows *sql.Rows) (t status.Task, err error) {
			var body string
			if err := rows.Scan(&body); err != nil {
				return t, err
			}
			return t, json.Unmarshal([]byte(body), &t)
		})
	if len(page) > limit {
		page = page[:limit]
		cursor = strconv.FormatUint(page[limit-1].ID, 10)
	}
	return page, cursor, err
}

// Errors lists all kinds of trouble that were saved, latest first.
func (db *DB) Errors(ctx context.Context) ([]status.ErrorEntry, error) {
	return list(ctx, db, "SELECT backend, class, message, first, last, count FROM errors ORDER BY last DESC", nil, func(rows *sql.Rows) (e status.ErrorEntry, err error) {
		var first, last int64
		err = rows.Scan(&e.Backend, &e.Class, &e.Message, &first, &last, &e.Count)
		e.First, e.Last = time.UnixMicro(first), time.UnixMicro(last)
		return e, err
	})
}

// list reads all rows of a query.
func list[T any](ctx context.Context, db *DB, query string, args []any, scan func(*sql.Rows) (T, error)) (out []T, err error) {
	rows, err := db.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the state database: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read the state database: %w", err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the state database: %w", err)
	}
	return out, nil
}
