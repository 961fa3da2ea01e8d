package pinsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
)

func TestContentComesFromAnotherBackend(t *testing.T) {
	from, cids := synced(t, 1)
	w := newWorld(t)
	w.mark("pin_add", cids[0].String())
	job := w.job(Delta)
	opened, closed := 0, 0
	neighbours := []Neighbour{
		{Name: "down", Open: func(context.Context) (backend.Adapter, error) { return nil, errors.New("connection refused") }},
		{Name: "empty", Open: func(context.Context) (backend.Adapter, error) { return w.open(t.TempDir()) }},
		{Name: "fs2", Open: func(context.Context) (backend.Adapter, error) {
			a, err := w.open(from.root)
			opened++
			return counting{a, &closed}, err
		}},
	}
	job.Sources = append(job.Sources, OtherBackends(func(context.Context, cid.Cid) iter.Seq[Neighbour] { return slices.Values(neighbours) }))
	out, err := Run(context.Background(), job)
	if err != nil || out.Stored.Count != 1 || !out.Cleared {
		t.Errorf("%v, outcome %+v", err, out)
	}
	if m := w.meta(cids[0]); m["source"] != "backend fs2" {
		t.Errorf("metadata: %v", m)
	}
	if opened != 2 || closed != opened {
		t.Errorf("opened %d times, closed %d times", opened, closed)
	}

	other, _ := cartest.Random(t, 77, 2)
	w.mark("pin_add", other.String())
	job.Dirty = w.dirty()
	out, err = Run(context.Background(), job)
	if err != nil || out.Blocked != "no source for 1 pin (tried: the home's cars, other backends)" {
		t.Errorf("%v, outcome %+v", err, out)
	}
	if why := out.NoSource.Entries[0].Reason; !strings.Contains(why, "backend down: connection refused") {
		t.Errorf("reason: %s", why)
	}
}

type counting struct {
	backend.Adapter
	closed *int
}

func (c counting) Close() error { *c.closed++; return c.Adapter.Close() }

// cache is a backend that may have content without storing it.
type cache struct {
	recording
	data map[string][]byte
}

func (c *cache) OpenCached(_ context.Context, id cid.Cid) (io.ReadCloser, error) {
	if data, ok := c.data[id.KeyString()]; ok {
		return io.NopCloser(strings.NewReader(string(data))), nil
	}
	return nil, backend.ErrNotStored
}

func (c *cache) Close() error { return nil }

func TestCacheIsASourceAndItsMissIsNoDamage(t *testing.T) {
	c, data := cartest.Random(t, 1, 3)
	other, _ := cartest.Random(t, 2, 3)
	w := newWorld(t)
	w.mark("pin_add", c.String(), other.String())
	job := w.job(Delta)
	node := Neighbour{Name: "kubo", Open: func(context.Context) (backend.Adapter, error) {
		return &cache{data: map[string][]byte{c.KeyString(): data}}, nil
	}}
	job.Sources = []SourceFinder{OtherBackends(func(context.Context, cid.Cid) iter.Seq[Neighbour] {
		return slices.Values([]Neighbour{node})
	})}
	out, err := Run(context.Background(), job)
	if err != nil || out.Stored.Count != 1 || out.NoSource.Count != 1 || out.Failed.Count != 0 {
		t.Errorf("%v, outcome %+v", err, out)
	}
}

// slow is an adapter whose puts move as they are told.
type slow struct {
	recording
	put func(ctx context.Context, told func(int64)) error
}

func (s *slow) Put(ctx context.Context, c cid.Cid, _ backend.Source, told func(int64)) (backend.Item, error) {
	return backend.Item{CID: c, Size: 1}, s.put(ctx, told)
}

// memory is a mapping and a mark in memory, for virtual time.
type memory struct {
	updates atomic.Int64
	cleared int
}

func (m *memory) Open(context.Context) ([]home.Pin, error) { return nil, nil }
func (m *memory) All(context.Context) ([]home.Pin, error)  { return nil, nil }
func (m *memory) Update(context.Context, []home.PinUpdate) error {
	m.updates.Add(1)
	return nil
}

func (m *memory) Clear(_ context.Context, c home.Cleared) (*home.Dirty, error) {
	m.cleared += len(c.CIDs)
	return &home.Dirty{IsDirty: m.cleared < len(c.Seen.CIDs)}, nil
}

func slowJob(t *testing.T, n int, put func(ctx context.Context, told func(int64)) error) (Job, *memory) {
	m := &memory{}
	d := &home.Dirty{Backend: "b", IsDirty: true}
	for i := range n {
		d.CIDs = append(d.CIDs, cartest.Raw(t, fmt.Appendf(nil, "%d", i)).CID.String())
	}
	src := SourceFinder{Name: "memory", Find: func(context.Context, cid.Cid, string) iter.Seq2[backend.Source, error] {
		return func(yield func(backend.Source, error) bool) { yield(backend.Source{From: "memory", Size: 10}, nil) }
	}}
	return Job{Backend: "b", Dirty: d, Adapter: &slow{put: put}, Sources: []SourceFinder{src}, Pins: m, Marks: m, Clock: clock.System}, m
}

func TestNothingMovingForFiveMinutesEndsThePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		job, m := slowJob(t, 2, nil)
		first := true
		job.Adapter.(*slow).put = func(ctx context.Context, _ func(int64)) error {
			if first {
				first = false
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		_, err := Run(t.Context(), job)
		if !errors.Is(err, ErrStalled) || backend.ClassOf(err) != backend.ClassNetwork {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(begin); took != 5*time.Minute {
			t.Errorf("after %s", took)
		}
		if m.cleared != 1 || m.updates.Load() != 1 {
			t.Errorf("what was stored before: %d cleared, %d updates", m.cleared, m.updates.Load())
		}
	})
}

func TestWhatMovesMayTakeHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		job, m := slowJob(t, 3, func(_ context.Context, told func(int64)) error {
			for i := range int64(30) {
				time.Sleep(4 * time.Minute)
				told(i)
			}
			return nil
		})
		out, err := Run(t.Context(), job)
		if err != nil || !out.Cleared || m.cleared != 3 || time.Since(begin) != 6*time.Hour {
			t.Errorf("%v, outcome %+v after %s", err, out, time.Since(begin))
		}
	})
}

func TestRowsWaitAboutASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m *memory
		n := 0
		job, m := slowJob(t, 100, func(context.Context, func(int64)) error {
			n++
			if n == 100 {
				time.Sleep(10 * time.Second)
				if m.updates.Load() < 9 {
					t.Errorf("%d updates while the last item takes its time", m.updates.Load())
				}
				return nil
			}
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		if out, err := Run(t.Context(), job); err != nil || !out.Cleared || m.updates.Load() > 13 {
			t.Errorf("%v, outcome %+v, %d updates", err, out, m.updates.Load())
		}
	})
}
