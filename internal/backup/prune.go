package backup

import (
	"context"
	"fmt"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

// Retention says which backups of a set are kept.
type Retention struct {
	// Last newest ones, and the newest of so many days, weeks and months (UTC).
	Last, Daily, Weekly, Monthly int
	// Min complete ones are kept whatever the clock says; at least one always is.
	Min int
	// Grace is how old an object that no backup names must be to be removed: it may belong to one that is being made.
	Grace time.Duration
}

// DefaultRetention keeps a day of hourly backups, a week, a month and a year.
func DefaultRetention() Retention {
	return Retention{Last: 24, Daily: 7, Weekly: 4, Monthly: 12, Min: 3, Grace: 24 * time.Hour}
}

// Pruned is what was removed.
type Pruned struct {
	// Manifests counts the backups that were removed.
	Manifests int
	// Objects counts the objects that no backup names any more, and that were removed.
	Objects int
	// Bytes of the objects.
	Bytes int64
	// Kept backups of the set.
	Kept int
	// Unreadable manifests of any set; while there are some, no object is removed, since they may name it.
	Unreadable []string
}

// Prune removes the backups of one set that retention does not keep, and then
// the objects that no backup of any set names. What can't be read is left alone.
func Prune(ctx context.Context, store backend.ObjectStore, set Set, r Retention, now time.Time) (Pruned, error) {
	p := pruning{store: store, set: set, r: r, now: now, named: map[string]bool{}, freed: map[string]bool{}}
	if err := set.check(); err != nil {
		return Pruned{}, err
	}
	if err := p.run(ctx); err != nil {
		return p.out, fmt.Errorf("prune the backups of %s: %w", set.Kind, err)
	}
	return p.out, nil
}

type pruning struct {
	store backend.ObjectStore
	set   Set
	r     Retention
	now   time.Time
	out   Pruned
	// named by backups that stay; freed by removing others.
	named, freed map[string]bool
}

func (p *pruning) run(ctx context.Context) error {
	refs, err := listRefs(ctx, p.store, "manifests/")
	if err != nil {
		return err
	}
	present, err := listObjects(ctx, p.store)
	if err != nil {
		return err
	}
	var own []Manifest
	for _, ref := range refs {
		m, err := ref.read(ctx, p.store)
		switch {
		case damaged(err):
			p.out.Unreadable = append(p.out.Unreadable, ref.name)
		case err != nil:
			return err
		case ref.set == p.set:
			own = append(own, m)
		default:
			p.name(&m)
		}
	}
	keep := p.r.choose(own, present)
	for i := range own {
		if keep[own[i].Object] {
			p.out.Kept++
			p.name(&own[i])
			continue
		}
		if err := p.store.RemoveObject(ctx, own[i].Object); err != nil {
			return err
		}
		p.out.Manifests++
		for _, e := range own[i].Files {
			p.freed[e.SHA256] = true
		}
	}
	if len(p.out.Unreadable) > 0 {
		return nil
	}
	return p.sweep(ctx, present)
}

func (p *pruning) name(m *Manifest) {
	for _, e := range m.Files {
		p.named[e.SHA256] = true
	}
}

// sweep removes objects that nothing names.
func (p *pruning) sweep(ctx context.Context, present objects) error {
	for sum, obj := range present {
		old := !obj.Modified.IsZero() && p.now.Sub(obj.Modified) > p.r.Grace
		if p.named[sum] || !old && (!p.freed[sum] || !obj.Modified.IsZero()) {
			continue
		}
		if err := p.store.RemoveObject(ctx, obj.Name); err != nil {
			return err
		}
		p.out.Objects++
		p.out.Bytes += obj.Size
	}
	return nil
}

// choose gives the names of the manifests to keep. They come newest first, by
// number and not by time, which may have jumped.
func (r Retention) choose(ms []Manifest, present objects) map[string]bool {
	keep := map[string]bool{}
	least := max(1, r.Min)
	complete := 0
	days, weeks, months := slots{}, slots{}, slots{}
	for i := range ms {
		m := &ms[i]
		if !present.complete(m) {
			if complete < least {
				keep[m.Object] = true // there is too little to be choosy
			}
			continue
		}
		complete++
		t := m.Time.UTC()
		year, week := t.ISOWeek()
		daily := days.take(t.Format("2006-01-02"), r.Daily)
		weekly := weeks.take(fmt.Sprintf("%d-%d", year, week), r.Weekly)
		monthly := months.take(t.Format("2006-01"), r.Monthly)
		if complete <= max(least, r.Last) || daily || weekly || monthly {
			keep[m.Object] = true
		}
	}
	return keep
}

// slots are the days, weeks or months that have their backup.
type slots map[string]bool

func (s slots) take(key string, limit int) bool {
	if s[key] || len(s) >= limit {
		return false
	}
	s[key] = true
	return true
}
