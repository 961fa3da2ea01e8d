package history

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// pageRows is how many rows are read at once; nothing is held while a reader takes its time.
const pageRows = 500

// Knows tells whether anything is recorded of a backend.
func (h *History) Knows(ctx context.Context, backend string) (bool, error) {
	rows, err := h.db.Query(ctx, "SELECT 1 FROM history_names WHERE name = ?1 UNION ALL SELECT 1 FROM tasks WHERE backend = ?1 UNION ALL SELECT 1 FROM history_events WHERE name = ?1 AND what = ?2 LIMIT 1",
		backend, status.HistoryTransitions)
	if err != nil {
		return false, fmt.Errorf("look for a backend in the history: %w", err)
	}
	found := rows.Next()
	return found, errors.Join(rows.Err(), rows.Close())
}

// Lines writes what is selected, in the order of time, a JSON object a line:
// old times as sums, later ones as they were. Rows that are folded while it
// writes may be missing, and are never there twice.
func (h *History) Lines(ctx context.Context, q status.HistoryQuery, w io.Writer) error {
	from, to := int64(0), int64(math.MaxInt64)
	if !q.Since.IsZero() {
		from = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		to = q.Until.UnixMicro()
	}
	sources, err := h.sources(ctx, q, from, to)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 32<<10)
	for {
		var first *source
		for _, s := range sources {
			if err := s.fill(ctx); err != nil {
				return err
			}
			if len(s.page) > 0 && (first == nil || s.page[0].time < first.page[0].time) {
				first = s
			}
		}
		if first == nil {
			return out.Flush()
		}
		if _, err := out.Write(first.page[0].text); err != nil {
			return err
		}
		first.page = first.page[1:]
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// lineAt is one line and its time.
type lineAt struct {
	time int64
	text []byte
}

// source reads one table page by page, in the order of time.
type source struct {
	h *History
	// query takes the cursor, then args, then the size of a page.
	query string
	args  []any
	after []any
	// scan reads a row: its line, and the cursor behind it.
	scan func(*sql.Rows) (lineAt, []any, error)
	page []lineAt
	end  bool
}

// fill reads the next page when the last one is used up.
func (s *source) fill(ctx context.Context) (err error) {
	if len(s.page) > 0 || s.end {
		return nil
	}
	args := append(append(append([]any{}, s.after...), s.args...), pageRows)
	rows, err := s.h.db.Query(ctx, s.query, args...)
	if err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	s.page = nil
	for rows.Next() {
		var l lineAt
		if l, s.after, err = s.scan(rows); err != nil {
			return fmt.Errorf("read the history: %w", err)
		}
		s.page = append(s.page, l)
	}
	s.end = len(s.page) < pageRows
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	return nil
}

// fillAll reads all pages at once.
func (s *source) fillAll(ctx context.Context) error {
	var all []lineAt
	for !s.end {
		s.page = nil
		if err := s.fill(ctx); err != nil {
			return err
		}
		all = append(all, s.page...)
	}
	s.page = all
	return nil
}

// sources are the tables that hold what is asked for.
func (h *History) sources(ctx context.Context, q status.HistoryQuery, from, to int64) ([]*source, error) {
	var out []*source
	if lo, hi := kinds(q.What); lo <= hi {
		day, hour, err := h.last(ctx)
		if err != nil {
			return nil, err
		}
		for _, l := range []struct {
			unit int
			last int64
		}{{unitDay, day}, {unitHour, hour}} {
			edge := h.sumSource(l.unit, q, lo, hi, max(from, l.last*microsHour), to, l.last+1)
			if err := edge.fillAll(ctx); err != nil {
				return nil, err
			}
			out = append(out, h.sumSource(l.unit, q, lo, hi, from, to, l.last), edge)
		}
		out = append(out, h.sampleSource(q, lo, hi, from, to))
	}
	if q.What == "" || q.What == status.HistoryTasks {
		out = append(out, h.taskSource(q, from, to))
	}
	if what := q.What; what == "" || what == status.HistoryTransitions || what == status.HistoryWorkers {
		out = append(out, h.eventSource(q, from, to))
	}
	return out, nil
}

// last are the last hours of which there are sums of days and of hours, -1 for none. What is folded from now on
// goes into these or later ones: they are read before any row that may be folded, and later ones are not.
func (h *History) last(ctx context.Context) (day, hour int64, err error) {
	rows, err := h.db.Query(ctx, "SELECT coalesce((SELECT max(start) FROM history_sums WHERE unit = 1), -1), coalesce((SELECT max(start) FROM history_sums WHERE unit = 0), -1)")
	if err != nil {
		return 0, 0, fmt.Errorf("read the history: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if rows.Next() {
		err = rows.Scan(&day, &hour)
	}
	return day, hour, errors.Join(err, rows.Err())
}

// sumSource reads the sums of hours or days that overlap the time asked for.
func (h *History) sumSource(unit int, q status.HistoryQuery, lo, hi kind, from, to, border int64) *source {
	resolution, hours := status.ResolutionHour, int64(1)
	if unit == unitDay {
		resolution, hours = status.ResolutionDay, 24
	}
	return &source{h: h, query: `SELECT s.start, s.kind, s.name, n.name, s.n, s.ok, s.timed, s.least, s.most, s.total
		FROM history_sums s JOIN history_names n ON n.id = s.name
		WHERE s.unit = ? AND (s.start, s.kind, s.name) > (?, ?, ?) AND s.start <= ? AND s.start < ? AND s.kind BETWEEN ? AND ? AND (? = '' OR n.name = ?)
		ORDER BY s.start, s.kind, s.name LIMIT ?`,
		after: []any{unit, from/microsHour - hours, int64(lastKind) + 1, 0}, args: []any{to / microsHour, border, lo, hi, q.Backend, q.Backend},
		scan: func(rows *sql.Rows) (lineAt, []any, error) {
			var k sumKey
			var x sum
			var name string
			if err := rows.Scan(&k.start, &k.kind, &k.name, &name, &x.n, &x.ok, &x.timed, &x.least, &x.most, &x.total); err != nil {
				return lineAt{}, nil, err
			}
			at := k.start * microsHour
			text, err := status.HistorySum(status.SumLine{What: subject(k.kind), Resolution: resolution, Time: time.UnixMicro(at), Backend: name, Kind: k.kind.task(),
				Count: x.n, OK: x.ok, Timed: x.timed, Least: micros(x.least), Most: micros(x.most), Total: micros(x.total)})
			return lineAt{at, text}, []any{unit, k.start, k.kind, k.name}, err
		}}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// subject is what samples of a kind are lines about.
func subject(k kind) string {
	switch {
	case k < firstTask:
		return status.HistoryChecks
	case k < kindMark:
		return status.HistoryTasks
	}
	return status.HistoryTransitions
}

func (h *History) sampleSource(q status.HistoryQuery, lo, hi kind, from, to int64) *source {
	return &source{h: h, query: `SELECT s.time, s.kind, n.name, s.ok, s.took, s.note FROM history_samples s JOIN history_names n ON n.id = s.name
		WHERE s.time > ? AND s.time <= ? AND s.kind BETWEEN ? AND ? AND (? = '' OR n.name = ?) ORDER BY s.time LIMIT ?`,
		after: []any{from - 1}, args: []any{to, lo, hi, q.Backend, q.Backend},
		scan: func(rows *sql.Rows) (lineAt, []any, error) {
			var x sample
			if err := rows.Scan(&x.time, &x.kind, &x.name, &x.ok, &x.took, &x.note); err != nil {
				return lineAt{}, nil, err
			}
			text, err := x.line()
			return lineAt{x.time, text}, []any{x.time}, err
		}}
}

func (x *sample) line() ([]byte, error) {
	at := time.UnixMicro(x.time)
	if x.kind == kindMark {
		return status.HistoryMark(status.MarkLine{Time: at, Backend: x.name, DirtySeconds: micros(x.took).Seconds(), Why: x.note})
	}
	ms := float64(x.took) / 1000
	return status.HistoryCheck(status.CheckLine{Time: at, Backend: x.name, By: x.kind.task(), OK: x.ok, LatencyMS: ms, Class: x.note})
}

func (h *History) taskSource(q status.HistoryQuery, from, to int64) *source {
	return &source{h: h, query: `SELECT finished, id, body FROM tasks WHERE (finished, id) > (?, ?) AND finished <= ? AND (? = '' OR backend = ?) ORDER BY finished, id LIMIT ?`,
		after: []any{from - 1, int64(math.MaxInt64)}, args: []any{to, q.Backend, q.Backend},
		scan: func(rows *sql.Rows) (lineAt, []any, error) {
			var at, id int64
			var body []byte
			if err := rows.Scan(&at, &id, &body); err != nil {
				return lineAt{}, nil, err
			}
			var t status.Task
			if err := json.Unmarshal(body, &t); err != nil {
				return lineAt{}, nil, err
			}
			text, err := status.HistoryTask(t)
			return lineAt{at, text}, []any{at, id}, err
		}}
}

func (h *History) eventSource(q status.HistoryQuery, from, to int64) *source {
	what := q.What
	if q.Backend != "" && what == "" {
		what = status.HistoryTransitions // workers are of no backend
	}
	return &source{h: h, query: `SELECT time, what, name, body FROM history_events WHERE time > ? AND time <= ? AND (? = '' OR what = ?)
		AND (? = '' OR name = ? AND what <> 'workers') ORDER BY time LIMIT ?`,
		after: []any{from - 1}, args: []any{to, what, what, q.Backend, q.Backend},
		scan: func(rows *sql.Rows) (lineAt, []any, error) {
			var e event
			if err := rows.Scan(&e.time, &e.what, &e.name, &e.body); err != nil {
				return lineAt{}, nil, err
			}
			text, err := e.line()
			return lineAt{e.time, text}, []any{e.time}, err
		}}
}

func (e *event) line() ([]byte, error) {
	at := time.UnixMicro(e.time)
	if e.what == status.HistoryWorkers {
		var c status.WorkerChange
		if err := json.Unmarshal([]byte(e.body), &c); err != nil {
			return nil, err
		}
		return status.HistoryWorker(at, e.name, c)
	}
	var c status.HealthChange
	if err := json.Unmarshal([]byte(e.body), &c); err != nil {
		return nil, err
	}
	return status.HistoryHealth(at, e.name, c)
}
