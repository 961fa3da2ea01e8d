package pinsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"ipfskit.org/intelligent/internal/backend"
)

// kind is what came of an item.
type kind uint8

const (
	wasThere kind = iota
	wasPut
	isPending
	isFailed
	hasNoSource
)

type result struct {
	want   *want
	kind   kind
	item   backend.Item
	reason string
	class  backend.Class
	from   string
	tried  []string
	absent []string // files
	// stop is an error that ends the pass.
	stop     error
	panicked any
}

func (r result) fail(err error) result {
	r.kind, r.reason, r.class = isFailed, err.Error(), backend.ClassOf(err)
	return r
}

// item brings one CID to its place: look, verify, put where it is missing or damaged.
func (p *pass) item(ctx context.Context, w *want) (r result) {
	r.want = w
	defer func() {
		if v := recover(); v != nil {
			r.panicked = fmt.Sprintf("while syncing %s: %v\n%s", w.text, v, debug.Stack())
		}
		if r.stop != nil && ctx.Err() != nil {
			r.stop = context.Cause(ctx)
		}
	}()
	if err := ctx.Err(); err != nil {
		r.stop = err
		return r
	}
	item, err := p.look(ctx, w)
	var corrupt *backend.CorruptError
	switch {
	case err == nil && item.Pending:
		r.kind, r.item, r.reason = isPending, item, "the backend accepted it, and does not hold it yet"
	case err == nil:
		r.kind, r.item = wasThere, item
	case ctx.Err() != nil:
		r.stop = err
	case errors.Is(err, backend.ErrNotStored), errors.As(err, &corrupt) && !backend.StopsPass(err):
		return p.put(ctx, w, r)
	case backend.StopsPass(err):
		r.stop = err
	default:
		return r.fail(err)
	}
	return r
}

// look verifies what the backend has.
func (p *pass) look(ctx context.Context, w *want) (backend.Item, error) {
	item, err := p.job.Adapter.Stat(ctx, w.cid)
	if err != nil || item.Pending {
		return item, err
	}
	p.progress.allow(item.Size)
	verify := p.job.Adapter.Verify
	if deep, ok := p.job.Adapter.(backend.DeepVerifier); ok && p.job.Prove {
		verify = deep.DeepVerify
	}
	item, err = verify(ctx, w.cid)
	if rec, ok := p.job.Adapter.(backend.Recorder); ok && p.job.Prove && err == nil && !p.job.Records {
		if !p.job.Alive() {
			return item, ErrReplaced
		}
		err = rec.Record(ctx, item)
	}
	p.progress.moved()
	return item, err
}

// put stores the content from the first source that has it whole.
func (p *pass) put(ctx context.Context, w *want, r result) result {
	if !p.job.Alive() {
		r.stop = ErrReplaced
		return r
	}
	if err := p.id.ensure(ctx, p); err != nil {
		r.stop = err
		return r
	}
	if p.job.Records {
		item, err := p.job.Adapter.Put(ctx, w.cid, recordOnly, nil)
		return p.stored(ctx, r, backend.Source{}, item, err)
	}
	var damaged, absent []string
	for _, f := range p.job.Sources {
		r.tried = append(r.tried, f.Name)
		for src, err := range f.Find(ctx, w.cid, w.text) {
			p.progress.moved() // a slow neighbour is no stall of this backend
			if err == nil {
				var item backend.Item
				item, err = p.transfer(ctx, w, src)
				if err == nil || ctx.Err() != nil || stops(err) {
					return p.stored(ctx, r, src, item, err)
				}
				if !errors.Is(err, backend.ErrNotStored) {
					damaged = append(damaged, err.Error())
					continue
				}
			}
			if ctx.Err() != nil {
				r.stop = ctx.Err()
				return r
			}
			if file := absentFile(""); errors.As(err, &file) {
				r.absent = append(r.absent, string(file))
				continue
			}
			absent = append(absent, err.Error())
		}
	}
	if len(damaged) > 0 {
		r.kind, r.class, r.reason = isFailed, backend.ClassContent, strings.Join(damaged, "; ")
		return r
	}
	r.kind, r.class = hasNoSource, backend.ClassContent
	r.reason = "no source has it"
	if len(absent) > 0 {
		r.reason += " (" + strings.Join(absent, "; ") + ")"
	}
	return r
}

func (p *pass) transfer(ctx context.Context, w *want, src backend.Source) (backend.Item, error) {
	told := p.progress.begin(src.Size)
	return p.job.Adapter.Put(ctx, w.cid, src, told)
}

func (p *pass) stored(ctx context.Context, r result, src backend.Source, item backend.Item, err error) result {
	p.progress.moved()
	switch {
	case err != nil && (ctx.Err() != nil || stops(err)):
		r.stop = err
	case err != nil:
		return r.fail(err)
	case item.Pending:
		r.kind, r.item, r.reason = isPending, item, "the backend accepted it, and does not hold it yet"
	default:
		r.kind, r.item, r.from = wasPut, item, src.From
	}
	return r
}

// recordOnly stands for content where records alone are kept.
var recordOnly = backend.Source{Size: -1, From: "records alone", Open: func(context.Context) (io.ReadCloser, error) {
	return nil, fmt.Errorf("records alone are kept: %w", backend.ErrNotStored)
}}

// attempts tells how often a row has failed before. The mapping is read once, and only when something fails.
func (p *pass) attempts(ctx context.Context, text string) int {
	if p.meta == nil {
		p.meta = map[string]string{}
		rows, err := p.job.Pins.All(ctx)
		if err != nil {
			return 0 // the count is for people; the failure itself is written down
		}
		for _, row := range rows {
			p.meta[row.CID] = row.Metadata
		}
	}
	var m struct{ Attempts int }
	if json.Unmarshal([]byte(p.meta[text]), &m) != nil {
		return 0
	}
	return m.Attempts
}
