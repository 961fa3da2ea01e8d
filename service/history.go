package service

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/history"
	"ipfskit.org/intelligent/internal/status"
)

// markMemory is what is known of the marks that stand on a backend, until it is clean.
type markMemory struct {
	// since is when the oldest of them was made.
	since time.Time
	// marks that came since it was clean; unsynced actions they had when they were looked at last.
	marks, unsynced int
	// synced: a sync cleared them. dismissed: a person gave them up.
	synced, dismissed bool
}

// noteDirty counts a mark. A version of marks with fewer actions than before is no
// new mark, and one that stood at the start did not arrive now. The caller holds mu.
func (s *Service) noteDirty(e *entry) {
	now, d := s.clk.Now(), e.cat.Dirty
	m := &e.mark
	grew := m.marks == 0 || d.Unsynced > m.unsynced
	if grew {
		m.marks++
		if d.Version != e.stood {
			s.arrived.add(now, 1)
		}
	}
	m.unsynced, m.synced, m.dismissed = d.Unsynced, false, false
	switch {
	case !d.Since.IsZero():
		m.since = d.Since
	case m.since.IsZero():
		m.since = now
	}
}

// noteClean records that a backend's marks are cleared, by whom, and how long they stood. The caller holds mu.
func (s *Service) noteClean(e *entry) {
	now := s.clk.Now()
	s.mended.add(now, uint32(e.mark.marks)) //nolint:gosec // a count
	t := e.live[status.KindPinSync]
	why := "cleared by another program"
	switch {
	case e.mark.dismissed:
		why = "given up by a person"
	case e.mark.synced || t != nil && t.State == status.TaskRunning:
		why = ""
	}
	s.hist.Cleared(now, e.name, now.Sub(e.mark.since), why)
}

// noteLevel tells the history how many backends are how, from now on. The caller holds mu.
func (s *Service) noteLevel() {
	var l history.Level
	if s.home != nil && s.cat != nil {
		l = history.Level{Up: s.totals.healthy, Down: s.totals.unhealthy.count(), Backends: s.totals.backends,
			Copies: uint64(len(s.cat.Buckets().List)) * s.totals.filesystem.count()}
	}
	s.hist.Level(s.clk.Now(), l)
}

// History checks what is asked for; the function that it gives writes it, a JSON object a line.
func (s *Service) History(ctx context.Context, q status.HistoryQuery) (func(context.Context, io.Writer) error, error) {
	if q.What != "" && !slices.Contains(status.HistorySubjects, q.What) {
		return nil, status.Errorf(status.InvalidArgument, "what %q is none of: %s", q.What, strings.Join(status.HistorySubjects, ", "))
	}
	if !q.Until.IsZero() && q.Until.Before(q.Since) {
		return nil, status.Errorf(status.InvalidArgument, "until (%s) is before since (%s)", q.Until.UTC().Format(time.RFC3339), q.Since.UTC().Format(time.RFC3339))
	}
	s.db.Flush()
	if q.Backend != "" {
		if _, ok := s.Backend(q.Backend); !ok {
			known, err := s.hist.Knows(ctx, q.Backend)
			if err != nil {
				return nil, err
			}
			if !known {
				return nil, noBackend(q.Backend)
			}
		}
	}
	return func(ctx context.Context, w io.Writer) error { return s.hist.Lines(ctx, q, w) }, nil
}

// A daemon with fixed intervals checks every backend, and copies every bucket to every filesystem backend, this often.
const (
	fixedCheck  = 180 * time.Second
	fixedBackup = time.Hour
)

// historyFacts sums up today, the last seven days and the last thirty.
func (s *Service) historyFacts(ctx context.Context, now time.Time) (status.HistoryFacts, error) {
	since := []time.Time{midnight(now), now.Add(-7 * 24 * time.Hour), now.Add(-30 * 24 * time.Hour)}
	sums, err := s.hist.Sums(ctx, since...)
	if err != nil {
		return status.HistoryFacts{}, err
	}
	var out [3]status.HistoryPeriod
	for i, t := range sums {
		out[i] = status.HistoryPeriod{Since: history.HourStart(since[i]), Syncs: t.Syncs, SyncsOK: t.SyncsOK, Cleared: t.Cleared,
			StoodSum: t.Stood, StoodP50: t.Quantile(0.5), StoodP95: t.Quantile(0.95), Checks: t.Checks, ChecksOK: t.ChecksOK, Outages: t.Outages,
			Up: t.Spent.Up, Down: t.Spent.Down, Observed: t.Spent.Backends,
			FixedChecks: t.Spent.Backends / fixedCheck.Seconds(), Probes: t.Probes, FixedCopies: t.Spent.Copies / fixedBackup.Seconds(), Copies: t.Copies}
	}
	return status.HistoryFacts{Today: out[0], Week: out[1], Month: out[2]}, nil
}

// midnight is when the day of a time began in its zone. Where clocks are set forward at midnight there is none: then it is when that was done.
func midnight(now time.Time) time.Time {
	y, m, d := now.Date()
	t := time.Date(y, m, d, 0, 0, 0, 0, now.Location())
	if t.Day() != d { // an hour of yesterday, by the old offset
		_, t = t.ZoneBounds()
	}
	return t
}
