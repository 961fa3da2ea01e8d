package pinsync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// listing is what a whole listing showed: sizes by CID.
type listing map[string]int64

// list takes a fresh, whole listing; a partial one is an error.
func (p *pass) list(ctx context.Context) (listing, error) {
	l := listing{}
	err := p.job.Adapter.List(ctx, func(item backend.Item) error {
		p.progress.moved()
		if !item.Pending {
			l[item.CID.KeyString()] = item.Size
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list what the backend holds: %w", err)
	}
	return l, nil
}

// reconcile compares a whole listing with all that should be there.
func (p *pass) reconcile(ctx context.Context) error {
	ws, desired, err := p.compare(ctx)
	if err != nil {
		return err
	}
	if err := p.work(ctx, ws); err != nil {
		return err
	}
	p.whole = true
	if err := p.remove(ctx, desired); err != nil {
		return err
	}
	if p.id.found != "" && p.out.Complete() {
		p.out.SentinelID = p.id.found // compared whole: it is this one from now on
		p.out.NeedReconcile, p.out.NeedWhy = false, ""
	}
	return nil
}

// comparison is what the removal needs to know of the comparison.
type comparison struct {
	listed listing
	// mapped are the CIDs that the mapping has, bound those that something else wants.
	mapped map[string]bool
	bound  map[string]bool
	marked *wants
}

// compare gives what must be looked at: what the mark names, what is missing, and what differs.
func (p *pass) compare(ctx context.Context) ([]*want, *comparison, error) {
	listed, err := p.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	cmp := &comparison{listed: listed, mapped: map[string]bool{}, bound: map[string]bool{}}
	look, err := p.gather(ctx)
	if err != nil {
		return nil, nil, err
	}
	cmp.marked = look
	named := len(look.list)
	desired := newWants()
	for _, w := range look.list {
		desired.byCID[w.cid.KeyString()] = w
	}
	if err := p.addRows(ctx, cmp, desired, look); err != nil {
		return nil, nil, err
	}
	if err := p.addDesired(ctx, cmp, desired, look); err != nil {
		return nil, nil, err
	}
	for key := range listed {
		if desired.byCID[key] == nil && !p.removes[key] {
			p.out.Extra++
		}
	}
	p.progress.moved()
	cmp.marked = &wants{byCID: map[string]*want{}}
	for _, w := range look.list[:named] {
		if len(w.marks) > 0 {
			cmp.marked.byCID[w.cid.KeyString()] = w
		}
	}
	return look.list, cmp, nil
}

// addRows goes through the mapping: a row that says stored, about content that is there in its size, is left as it is.
func (p *pass) addRows(ctx context.Context, cmp *comparison, desired, look *wants) error {
	rows, err := p.job.Pins.All(ctx)
	if err != nil {
		return fmt.Errorf("read the mapping of %s: %w", p.job.Backend, err)
	}
	for _, row := range rows {
		c, err := parseCID(row.CID)
		if err != nil {
			if row.Status != home.PinPending && row.Status != home.PinFailed { // those were told of already
				p.out.Invalid.add(Entry{CID: row.CID, Reason: err.Error(), Class: backend.ClassContent})
			}
			continue
		}
		key := c.KeyString()
		cmp.mapped[key] = true
		switch w := look.byCID[key]; {
		case w != nil:
			if row.Status != home.PinPending && row.Status != home.PinFailed {
				w.rows = append(w.rows, row.CID)
			}
			continue
		case row.Status == StatusRemoved, p.removes[key]:
			continue
		}
		size, there := cmp.listed[key]
		if there && !p.job.Prove && row.Status == home.PinStored && sameSize(row, size) {
			if desired.byCID[key] == nil {
				p.out.AlreadyThere.add(Entry{CID: row.CID})
			}
			desired.byCID[key] = &want{cid: c, text: row.CID}
			continue
		}
		w, err := look.add(row.CID)
		if err != nil {
			continue
		}
		w.rows = append(w.rows, row.CID)
		desired.byCID[key] = w
	}
	return nil
}

// sameSize compares a listed size with the one that was written down, where both are known.
func sameSize(row home.Pin, size int64) bool {
	var m struct {
		Bytes *int64 `json:"car_bytes"`
	}
	if size < 0 || json.Unmarshal([]byte(row.Metadata), &m) != nil || m.Bytes == nil {
		return true
	}
	return *m.Bytes == size
}

// addDesired adds what buckets and local pins want.
func (p *pass) addDesired(ctx context.Context, cmp *comparison, desired, look *wants) error {
	if p.job.Desired == nil {
		return nil
	}
	texts, err := p.job.Desired(ctx)
	if err != nil {
		return fmt.Errorf("find out what %s should hold: %w", p.job.Backend, err)
	}
	for _, text := range texts {
		c, err := parseCID(text)
		if err != nil {
			p.out.Invalid.add(Entry{CID: text, Reason: err.Error(), Class: backend.ClassContent})
			continue
		}
		key := c.KeyString()
		cmp.bound[key] = true
		if desired.byCID[key] != nil {
			continue
		}
		w, err := look.add(text)
		if err != nil {
			continue
		}
		desired.byCID[key] = w
	}
	return nil
}

// remove does the explicit unpin actions.
func (p *pass) remove(ctx context.Context, cmp *comparison) error {
	return p.removeAll(ctx, cmp, p.removable(cmp))
}

// removable sorts the explicit unpin actions, and gives those that are to be done: only on a
// backend that is known to be the right one, only what the mapping has, and no more than a share
// without a person's word.
func (p *pass) removable(cmp *comparison) []removal {
	if p.job.Dirty == nil {
		return nil
	}
	var todo []removal
	for _, text := range p.job.Dirty.Removes {
		c, err := parseCID(text)
		if err != nil {
			p.out.Failed.add(Entry{CID: text, Reason: err.Error(), Class: backend.ClassContent})
			continue
		}
		key := c.KeyString()
		_, there := cmp.listed[key]
		switch {
		case cmp.marked.byCID[key] != nil:
			// Which of the two came last can't be told: what is kept can still be removed, not the other way round.
			p.removed = append(p.removed, text)
			p.out.Removed.add(Entry{CID: text, Reason: "kept: another action asks for it to be stored"})
		case cmp.bound[key]:
			p.refuse(text, status.RemovalWanted)
		case !there:
			p.gone(cmp, text, key)
		case !p.id.same:
			p.refuse(text, status.RemovalElsewhere)
		case !cmp.mapped[key]:
			p.refuse(text, status.RemovalForeign)
		default:
			todo = append(todo, removal{text, c})
		}
	}
	most := max(freeRemovals, int(p.job.RemovalShare*float64(len(cmp.listed))))
	if len(todo) > most && !p.job.AllowRemovals {
		for _, r := range todo {
			p.refuse(r.text, fmt.Sprintf("%d of %d pins would be removed, and at most %d %s: sync --reconcile, with this backend named", len(todo), len(cmp.listed), most, status.RemovalsMany))
		}
		return nil
	}
	return todo
}

type removal struct {
	text string
	cid  cid.Cid
}

func (p *pass) refuse(text, why string) { p.out.RemovalsRefused.add(Entry{CID: text, Reason: why}) }

// gone writes down that a pin is removed.
func (p *pass) gone(cmp *comparison, text, key string) {
	p.removed = append(p.removed, text)
	p.out.Removed.add(Entry{CID: text})
	if cmp.mapped[key] {
		p.row(home.PinUpdate{CID: text, Status: StatusRemoved, Meta: map[string]any{
			"removed_at": p.job.Clock.Now().UTC().Format("2006-01-02T15:04:05Z"), "reason": nil, "error": nil, "attempts": nil}})
	}
}

// removeAll removes what a second whole listing shows again.
func (p *pass) removeAll(ctx context.Context, cmp *comparison, todo []removal) error {
	if len(todo) == 0 {
		return nil
	}
	again, err := p.list(ctx)
	if err != nil {
		return err
	}
	for _, r := range todo {
		key := r.cid.KeyString()
		if _, there := again[key]; there {
			if !p.job.Alive() {
				return ErrReplaced
			}
			err := p.job.Adapter.Remove(ctx, r.cid)
			switch {
			case errors.Is(err, backend.ErrUnsupported), errors.Is(err, errors.ErrUnsupported):
				p.refuse(r.text, status.RemovalUnsupported)
				continue
			case stops(err):
				return err
			case err != nil && !errors.Is(err, backend.ErrNotStored):
				p.out.Failed.add(Entry{CID: r.text, Reason: err.Error(), Class: backend.ClassOf(err)})
				p.out.RemovalsFailed++
				continue
			}
		}
		p.gone(cmp, r.text, key)
	}
	return nil
}
