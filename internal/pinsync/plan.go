package pinsync

import (
	"context"
	"errors"
	"fmt"

	"ipfskit.org/intelligent/internal/backend"
)

// Planned is one CID of a difference.
type Planned struct {
	// CID as the mark or mapping writes it.
	CID string
	// Size in bytes of what would be put; -1 when it is not known.
	Size int64
	// From is the source that would be tried first.
	From string
	// Why is in words.
	Why string
}

// Difference is what a sync would do.
type Difference struct {
	// Put would be stored, Look are there and would be verified, NoSource are those that nobody seems to have.
	Put, Look, NoSource []Planned
	// Remove would be removed (Reconcile only).
	Remove []string
	// Refused would stay though the mark asks for their removal; a hundred of them have their reasons here (Reconcile only).
	Refused List
	// Invalid are no CIDs.
	Invalid []Entry
	// Bytes that would be put, as far as it is known.
	Bytes int64
	// There counts what is in its place and would not be looked at (Reconcile only).
	There int
	// Extra counts what the backend holds and nobody asked for (Reconcile only).
	Extra int
	// NeedReconcile as in Outcome.
	NeedReconcile bool
	// NeedWhy says why; empty where there is no need.
	NeedWhy string
}

// Plan tells what Run would do, and writes nothing. Errors are those of Run.
func Plan(ctx context.Context, job Job) (Difference, error) {
	p := newPass(job)
	p.job.Progress = nil
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p.progress = newMeter(p.job, cancel)
	defer p.progress.stop()
	d, err := p.difference(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return d, fmt.Errorf("plan the sync of %s: %w", job.Backend, err)
	}
	return d, nil
}

func (p *pass) difference(ctx context.Context) (Difference, error) {
	var d Difference
	if err := p.identify(ctx); err != nil {
		return d, err
	}
	list, cmp, err := p.candidates(ctx)
	if err != nil {
		return d, err
	}
	for _, w := range list {
		if err := p.foresee(ctx, w, &d); err != nil {
			return d, err
		}
		p.progress.moved()
	}
	p.foreseeRemovals(cmp, &d)
	d.There, d.Extra = p.out.AlreadyThere.Count, p.out.Extra
	d.Invalid = append(p.out.Failed.Entries, p.out.Invalid.Entries...)
	if j := p.job; j.Dirty != nil && j.Mode == Delta && j.Dirty.Whole {
		p.out.need("a mark names no CIDs")
	}
	d.NeedReconcile, d.NeedWhy = p.out.NeedReconcile, p.out.NeedWhy
	return d, nil
}

// foreseeRemovals tells what would become of the mark's removals; without a comparison none would be done.
func (p *pass) foreseeRemovals(cmp *comparison, d *Difference) {
	if cmp == nil {
		if p.job.Dirty != nil && len(p.job.Dirty.Removes) > 0 {
			p.out.need("an action asks for pins to be removed")
		}
		return
	}
	for _, r := range p.removable(cmp) {
		d.Remove = append(d.Remove, r.text)
	}
	d.Refused = p.out.RemovalsRefused
}

// candidates are the CIDs to be looked at and, where all is compared, what that showed.
func (p *pass) candidates(ctx context.Context) ([]*want, *comparison, error) {
	if p.job.Mode == Reconcile {
		return p.compare(ctx)
	}
	ws, err := p.gather(ctx)
	if err != nil {
		return nil, nil, err
	}
	return ws.list, nil, nil
}

// foresee tells what would be done with one CID.
func (p *pass) foresee(ctx context.Context, w *want, d *Difference) error {
	item, err := p.job.Adapter.Stat(ctx, w.cid)
	var corrupt *backend.CorruptError
	why := "missing"
	switch {
	case err == nil:
		pl := Planned{CID: w.text, Size: item.Size, Why: "there"}
		if item.Pending {
			pl.Why = "accepted, not there yet"
		}
		d.Look = append(d.Look, pl)
		return nil
	case errors.Is(err, backend.ErrNotStored):
	case errors.As(err, &corrupt) && !backend.StopsPass(err):
		why = "damaged"
	default:
		return err
	}
	if p.job.Records {
		d.Put = append(d.Put, Planned{CID: w.text, Size: -1, From: recordOnly.From, Why: why})
		return nil
	}
	for _, f := range p.job.Sources {
		for src, err := range f.Find(ctx, w.cid, w.text) {
			if err != nil {
				continue
			}
			d.Put = append(d.Put, Planned{CID: w.text, Size: src.Size, From: src.From, Why: why})
			d.Bytes += max(0, src.Size)
			return nil
		}
	}
	d.NoSource = append(d.NoSource, Planned{CID: w.text, Size: -1, Why: why})
	return nil
}
