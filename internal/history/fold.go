package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// Limits bound the history on disk. What is older, or more, becomes sums of
// hours, then of days, and is gone in the end.
type Limits struct {
	// Raw is how long single rows are kept, Hourly how long sums of hours.
	Raw, Hourly time.Duration
	// Samples, Tasks, Hours and Days are the rows that are kept at most before
	// they are folded, or (Days, Events) gone.
	Samples, Tasks, Hours, Days, Events int
	// Step is how many single rows one batch folds at most; of sums of hours it is
	// three times that, as many as samples and tasks can bring.
	Step int
}

// DefaultLimits are those of docs/decisions/0008.
func DefaultLimits() Limits {
	return Limits{Raw: 7 * 24 * time.Hour, Hourly: 30 * 24 * time.Hour,
		Samples: 100_000, Tasks: 10_000, Hours: 100_000, Days: 1_000_000, Events: 20_000, Step: maxWaiting}
}

// maxBytes is what all of it takes on disk at most with DefaultLimits; a test holds it.
const maxBytes = 128 << 20

const (
	// foldEvery is how often old rows are looked for, when something is written anyway.
	foldEvery = time.Hour
	unitHour  = 0
	unitDay   = 1
)

// folding is how far the folding is.
type folding struct {
	last time.Time
	// day is the last one on which it was tidied.
	day int64
	// rows came since the last pass.
	rows int
	// more says that the last batch did not fold all that there was.
	more bool
}

// foldSome folds what is due, a step at most; the next batch goes on. It runs in a batch's transaction.
func (h *History) foldSome(ctx context.Context, tx *sql.Tx, now time.Time, rows int) error {
	f := &h.fold
	f.rows += rows
	since := now.Sub(f.last)
	if !f.more && since >= 0 && since < foldEvery && f.rows < h.limits.Samples/10 {
		return nil
	}
	next := folding{last: now, day: f.day}
	for _, step := range []func(context.Context, *sql.Tx, time.Time) (more bool, err error){h.forget, h.foldSamples, h.foldTasks, h.foldHours} {
		more, err := step(ctx, tx, now)
		if err != nil {
			return fmt.Errorf("fold old history: %w", err)
		}
		next.more = next.more || more
	}
	if day := hourOf(now.UnixMicro()) / 24; day != f.day {
		next.day = day
		if err := h.tidy(ctx, tx, day); err != nil {
			return fmt.Errorf("forget what is too much of old history: %w", err)
		}
	}
	*f = next
	return nil
}

// forget removes what retention does not keep: it counts days that have records,
// so that a clock that is set wrong removes one day and not all.
func (h *History) forget(ctx context.Context, tx *sql.Tx, _ time.Time) (bool, error) {
	var day int64
	err := tx.QueryRowContext(ctx, "SELECT DISTINCT start/24 FROM history_totals ORDER BY 1 DESC LIMIT 1 OFFSET ?", max(h.days(), 1)-1).Scan(&day)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	hour := day * 24
	for _, q := range []struct {
		text string
		cut  int64
	}{
		{"DELETE FROM history_totals WHERE start < ?", hour},
		{"DELETE FROM history_sums WHERE unit = 1 AND start < ?", hour},
		{"DELETE FROM history_sums WHERE unit = 0 AND start < ?", hour},
		{"DELETE FROM history_samples WHERE time < ?", hour * microsHour},
		{"DELETE FROM history_events WHERE time < ?", hour * microsHour},
		{"DELETE FROM tasks WHERE finished < ?", hour * microsHour},
		{"DELETE FROM errors WHERE last < ?", hour * microsHour},
	} {
		if _, err := tx.ExecContext(ctx, q.text, q.cut); err != nil {
			return false, err
		}
	}
	return false, nil
}

// cutOf is up to where rows are folded: those that are older than age, and those beyond the count.
func cutOf(ctx context.Context, tx *sql.Tx, column, table string, count int, old int64) (int64, error) {
	var over int64
	err := tx.QueryRowContext(ctx, "SELECT "+column+" FROM "+table+" ORDER BY "+column+" DESC LIMIT 1 OFFSET ?", count).Scan(&over)
	if errors.Is(err, sql.ErrNoRows) {
		return old, nil
	}
	return max(old, over+1), err
}

// foldSamples makes sums of hours of single rows.
func (h *History) foldSamples(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	cut, err := cutOf(ctx, tx, "time", "history_samples", h.limits.Samples, now.Add(-h.limits.Raw).UnixMicro())
	if err != nil {
		return false, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT time, kind, name, ok, took FROM history_samples WHERE time < ? ORDER BY time LIMIT ?", cut, h.limits.Step)
	if err != nil {
		return false, err
	}
	s := sums{}
	var last int64
	n := 0
	for ; rows.Next(); n++ {
		var k sumKey
		var ok bool
		var took int64
		if err := rows.Scan(&last, &k.kind, &k.name, &ok, &took); err != nil {
			return false, errors.Join(err, rows.Close())
		}
		k.start = hourOf(last)
		s.add(k, sumOf(ok, took))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || n == 0 {
		return false, err
	}
	if err := s.write(ctx, tx, unitHour); err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM history_samples WHERE time <= ?", last)
	return n == h.limits.Step, err
}

// foldTasks makes sums of hours of finished tasks. Health checks are recorded as
// checks: they are not summed twice, and don't crowd out what people look for.
func (h *History) foldTasks(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	checks, err := h.foldTasksOf(ctx, tx, "kind = 'health_check'", h.limits.Tasks/5, now)
	if err != nil {
		return false, err
	}
	others, err := h.foldTasksOf(ctx, tx, "kind <> 'health_check'", h.limits.Tasks, now)
	return checks || others, err
}

func (h *History) foldTasksOf(ctx context.Context, tx *sql.Tx, kinds string, most int, now time.Time) (bool, error) {
	cut, err := cutOf(ctx, tx, "finished", "tasks WHERE "+kinds, most, now.Add(-h.limits.Raw).UnixMicro())
	if err != nil {
		return false, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT id, kind, backend, state, finished, body FROM tasks WHERE finished < ? AND "+kinds+" ORDER BY finished, id LIMIT ?", cut, h.limits.Step)
	if err != nil {
		return false, err
	}
	var list []doneTask
	for rows.Next() {
		var t doneTask
		if err := rows.Scan(&t.id, &t.kind, &t.backend, &t.state, &t.finished, &t.body); err != nil {
			return false, errors.Join(err, rows.Close())
		}
		list = append(list, t)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(list) == 0 {
		return false, err
	}
	s, ids := sums{}, names{tx: tx, known: map[string]int64{}}
	for _, t := range list {
		if t.kind != status.KindHealthCheck {
			id, err := ids.id(ctx, t.backend)
			if err != nil {
				return false, err
			}
			s.add(sumKey{hourOf(t.finished), taskOf(t.kind), id}, sumOf(t.state == status.TaskDone, t.took()))
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM tasks WHERE id = ?", t.id); err != nil {
			return false, err
		}
	}
	return len(list) == h.limits.Step, s.write(ctx, tx, unitHour)
}

// doneTask is a row of the finished tasks.
type doneTask struct {
	id, finished         int64
	kind, backend, state string
	body                 []byte
}

// took is for how many µs it ran; -1 when that is not known.
func (t *doneTask) took() int64 {
	var doc struct{ Started time.Time }
	if json.Unmarshal(t.body, &doc) != nil || doc.Started.IsZero() {
		return -1
	}
	return max(t.finished-doc.Started.UnixMicro(), 0)
}

// foldHours makes sums of days of sums of hours.
func (h *History) foldHours(ctx context.Context, tx *sql.Tx, now time.Time) (bool, error) {
	cut := hourOf(now.Add(-h.limits.Hourly).UnixMicro()) / 24 * 24
	cut, err := cutOf(ctx, tx, "start", "history_sums WHERE unit = 0", h.limits.Hours, cut)
	if err != nil {
		return false, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT start, kind, name, n, ok, timed, least, most, total FROM history_sums WHERE unit = 0 AND start < ? ORDER BY start, kind, name LIMIT ?", cut, 3*h.limits.Step)
	if err != nil {
		return false, err
	}
	s := sums{}
	var last sumKey
	n := 0
	for ; rows.Next(); n++ {
		var x sum
		if err := rows.Scan(&last.start, &last.kind, &last.name, &x.n, &x.ok, &x.timed, &x.least, &x.most, &x.total); err != nil {
			return false, errors.Join(err, rows.Close())
		}
		s.add(sumKey{last.start / 24 * 24, last.kind, last.name}, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || n == 0 {
		return false, err
	}
	if err := s.write(ctx, tx, unitDay); err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM history_sums WHERE unit = 0 AND (start, kind, name) <= (?, ?, ?)", last.start, last.kind, last.name)
	return n == 3*h.limits.Step, err
}

// tidy removes, once a day, the oldest sums of days and events beyond their counts
// and, once a week, names that nothing has any more: both look at every row.
func (h *History) tidy(ctx context.Context, tx *sql.Tx, day int64) error {
	for _, b := range []struct {
		column, table, remove string
		count                 int
	}{
		{"start", "history_sums WHERE unit = 1", "DELETE FROM history_sums WHERE unit = 1 AND start < ?", h.limits.Days},
		{"time", "history_events", "DELETE FROM history_events WHERE time < ?", h.limits.Events},
	} {
		cut, err := cutOf(ctx, tx, b.column, b.table, b.count, 0)
		if err != nil {
			return err
		}
		if cut == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, b.remove, cut); err != nil {
			return err
		}
	}
	if day%7 != 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM history_names WHERE id NOT IN (SELECT name FROM history_samples UNION SELECT name FROM history_sums)")
	return err
}
