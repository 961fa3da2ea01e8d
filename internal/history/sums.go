package history

import (
	"context"
	"database/sql"
	"errors"
)

// sum is what many samples of one kind and backend say together.
type sum struct {
	n, ok int64
	// timed of them have a duration, from least to most, total in all (µs).
	timed, least, most, total int64
}

type sumKey struct {
	start int64
	kind  kind
	name  int64
}

type sums map[sumKey]sum

// sumOf is the sum of one sample.
func sumOf(ok bool, took int64) sum {
	s := sum{n: 1}
	if ok {
		s.ok = 1
	}
	if took >= 0 {
		s.timed, s.least, s.most, s.total = 1, took, took, took
	}
	return s
}

func (m sums) add(k sumKey, x sum) {
	s, known := m[k]
	if !known {
		m[k] = x
		return
	}
	switch {
	case s.timed == 0:
		s.least, s.most = x.least, x.most
	case x.timed > 0:
		s.least, s.most = min(s.least, x.least), max(s.most, x.most)
	}
	s.n += x.n
	s.ok += x.ok
	s.timed += x.timed
	s.total += x.total
	m[k] = s
}

// write adds the sums to those that are there.
func (m sums) write(ctx context.Context, tx *sql.Tx, unit int) (err error) {
	s, err := tx.PrepareContext(ctx, `INSERT INTO history_sums(unit, start, kind, name, n, ok, timed, least, most, total) VALUES(?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT DO UPDATE SET
			least = CASE WHEN timed = 0 THEN excluded.least WHEN excluded.timed = 0 THEN least ELSE min(least, excluded.least) END,
			most = CASE WHEN timed = 0 THEN excluded.most WHEN excluded.timed = 0 THEN most ELSE max(most, excluded.most) END,
			n = n + excluded.n, ok = ok + excluded.ok, timed = timed + excluded.timed, total = total + excluded.total`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for k, x := range m {
		if _, err := s.ExecContext(ctx, unit, k.start, k.kind, k.name, x.n, x.ok, x.timed, x.least, x.most, x.total); err != nil {
			return err
		}
	}
	return nil
}
