package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/statedb"
)

// timeAlone is how much time must have passed to be written though nothing else was recorded.
const timeAlone = 15 * time.Minute

// batch is what goes to the database together.
type batch struct {
	samples []sample
	events  []event
	totals  map[int64]*Totals
}

// Take gives what waits. Time alone does not have anything written, but goes with what has.
func (h *History) Take() *statedb.Part {
	now := h.clk.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.passed(now)
	if !h.counted && now.Sub(h.written) < timeAlone || len(h.totals)+len(h.events) == 0 {
		return nil
	}
	b := batch{h.samples, h.events, h.totals}
	h.samples, h.events, h.totals, h.counted, h.written = nil, nil, map[int64]*Totals{}, false, now
	return &statedb.Part{
		Write:  func(ctx context.Context, tx *sql.Tx) error { return h.write(ctx, tx, b, now) },
		Failed: sync.OnceFunc(func() { h.putBack(b) }),
	}
}

// Stop has also the time that passed written with the next batch, the last one.
func (h *History) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counted = true
}

func (h *History) putBack(b batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counted = true
	h.samples = append(b.samples, h.samples[:min(len(h.samples), maxWaiting-len(b.samples))]...)
	h.events = append(b.events, h.events[:min(len(h.events), maxWaiting-len(b.events))]...)
	for at, t := range b.totals {
		if newer, ok := h.totals[at]; ok {
			t.add(newer)
		}
		h.totals[at] = t
	}
}

func (h *History) write(ctx context.Context, tx *sql.Tx, b batch, now time.Time) error {
	if err := writeSamples(ctx, tx, b.samples); err != nil {
		return err
	}
	if err := writeEvents(ctx, tx, b.events); err != nil {
		return err
	}
	for at, t := range b.totals {
		if err := addTotals(ctx, tx, at, t); err != nil {
			return err
		}
	}
	return h.foldSome(ctx, tx, now, len(b.samples)+len(b.events))
}

// insert puts a row at its time, which is its key: of rows of one moment each later one lies a microsecond later.
func insert(ctx context.Context, s *sql.Stmt, at, last int64, values ...any) (int64, error) {
	if at <= last && last-at < int64(time.Second/time.Microsecond) {
		at = last + 1
	}
	for ; ; at++ {
		r, err := s.ExecContext(ctx, append([]any{at}, values...)...)
		if err != nil {
			return at, err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return at, err
		}
	}
}

func writeSamples(ctx context.Context, tx *sql.Tx, list []sample) (err error) {
	if len(list) == 0 {
		return nil
	}
	s, err := tx.PrepareContext(ctx, "INSERT OR IGNORE INTO history_samples(time, kind, name, ok, took, note) VALUES(?,?,?,?,?,?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ids := names{tx: tx, known: map[string]int64{}}
	var last int64
	for _, x := range list {
		id, err := ids.id(ctx, x.name)
		if err != nil {
			return err
		}
		if last, err = insert(ctx, s, x.time, last, x.kind, id, x.ok, x.took, x.note); err != nil {
			return err
		}
	}
	return nil
}

func writeEvents(ctx context.Context, tx *sql.Tx, list []event) (err error) {
	if len(list) == 0 {
		return nil
	}
	s, err := tx.PrepareContext(ctx, "INSERT OR IGNORE INTO history_events(time, what, name, body) VALUES(?,?,?,?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var last int64
	for _, x := range list {
		if last, err = insert(ctx, s, x.time, last, x.what, x.name, x.body); err != nil {
			return err
		}
	}
	return nil
}

// names gives names their numbers.
type names struct {
	tx    *sql.Tx
	known map[string]int64
}

func (n *names) id(ctx context.Context, name string) (id int64, err error) {
	if id, ok := n.known[name]; ok {
		return id, nil
	}
	if _, err := n.tx.ExecContext(ctx, "INSERT OR IGNORE INTO history_names(name) VALUES(?)", name); err != nil {
		return 0, err
	}
	err = n.tx.QueryRowContext(ctx, "SELECT id FROM history_names WHERE name = ?", name).Scan(&id)
	n.known[name] = id
	return id, err
}

// addTotals adds to what is summed of an hour.
func addTotals(ctx context.Context, tx *sql.Tx, at int64, t *Totals) error {
	var sum Totals
	var body []byte
	err := tx.QueryRowContext(ctx, "SELECT body FROM history_totals WHERE start = ?", at).Scan(&body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(body, &sum); err != nil {
			return fmt.Errorf("read the sums of an hour: %w", err)
		}
	}
	sum.add(t)
	if body, err = json.Marshal(sum); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO history_totals(start, body) VALUES(?,?)", at, string(body))
	return err
}
