package service

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/pinindex"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/watch"
)

// metaWant is what the metadata reader must read again.
type metaWant struct {
	configs, registry, buckets bool
	// targets has those of backups chosen anew.
	targets bool
	// sources has content looked for: a backend works again.
	sources bool
	// files has CARs looked for that mappings name.
	files bool
	// index has all mappings looked at for the pin index.
	index bool
	pins  map[string]bool
	// rows of mappings that syncs wrote, for the pin index.
	rows map[string][]pinindex.Row
}

// dirtyMonitor is the worker of that name: it hears what changes in the home,
// reads marks at once, and passes all else on to the metadata reader.
func (s *Service) dirtyMonitor(ctx context.Context, p *Pulse) error {
	r := s.newRhythm(status.WorkerDirtyMonitor)
	defer r.t.Stop() // nobody hears it: the watcher sweeps
	w := watch.New(watch.Options{Home: s.opts.Paths.Home, Clock: s.clk, Sweep: s.sup.interval(status.WorkerDirtyMonitor), MaxWatches: s.config().Watches,
		IsOwn: s.isOwn, Open: s.opts.Inotify, Layout: watch.Layout{Fixed: home.FixedDirs(), Parent: home.BackendsDir, Children: []string{home.MarkDir}}})
	s.mu.Lock()
	s.watcher = w
	s.mu.Unlock()
	changes := make(chan watch.Change, 1024)
	ended := make(chan error, 1)
	wctx, cancel := context.WithCancel(ctx)
	go func() {
		ended <- w.Run(wctx, func(c watch.Change) {
			select {
			case changes <- c:
			case <-wctx.Done():
			}
		}, func() {}, func() {})
	}()
	defer func() { cancel(); <-ended }()
	m := &monitor{s: s, p: p, settling: map[string]time.Time{}}
	m.timer = s.clk.NewTimer(time.Hour)
	m.timer.Stop()
	defer m.timer.Stop()
	for {
		p.Idle(r.due)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			ended <- err // for the deferred wait
			return err
		case <-r.retimed:
			w.SetSweep(r.next())
		case <-s.rescan:
			p.Busy()
			m.everything(ctx)
		case <-m.timer.C:
			p.Busy()
			m.settled(ctx)
		case c := <-changes:
			p.Busy()
			if err := s.inject(status.WorkerDirtyMonitor); err != nil {
				return err
			}
			if c.Sweep {
				r.next()
			}
			if err := m.change(ctx, c); err != nil {
				return err
			}
		}
	}
}

func (s *Service) isOwn(rel string, fi fs.FileInfo) bool {
	s.mu.Lock()
	h := s.home
	s.mu.Unlock()
	return h != nil && h.IsOwn(rel, fi)
}

// monitor is one incarnation of the dirty monitor.
type monitor struct {
	s *Service
	p *Pulse
	// settling backends have a file that may be in the middle of being written, and are looked at again at these times.
	settling map[string]time.Time
	timer    *time.Timer
	swept    time.Time
	// cars is when the home's store of CARs had changed last, at the sweep before.
	cars time.Time
}

const (
	// manyBackends is from how many on a look at all of them is rarer where inotify sees everything.
	manyBackends = 2000
	// trustFor is how rare.
	trustFor = time.Minute
)

// trusted tells whether there are many backends, and all of their folders are watched.
func (s *Service) trusted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watcher == nil || len(s.entries) < manyBackends {
		return false
	}
	st := s.watcher.Stats()
	return st.Watched > len(s.entries)/2 && st.Unwatched == 0 && !st.Network
}

// change looks at what a change is about.
func (m *monitor) change(ctx context.Context, c watch.Change) error {
	if c.Everything && c.Sweep {
		m.sweepCARs()
	}
	switch {
	case c.Home && c.There:
		if err := m.s.attach(ctx, m.p); err != nil {
			return err
		}
		m.settleAll()
	case c.Home:
		m.s.sawAbsent(m.s.opts.Paths.Home)
		m.s.detach(status.HomeAbsent)
	case c.Everything && c.Sweep && m.s.trusted() && m.s.clk.Now().Sub(m.swept) < trustFor:
		// Every folder is watched: what changed was heard, and a look at all of it can wait.
	case c.Everything:
		m.swept = m.s.clk.Now()
		if !c.Sweep { // what was lost may have told of content
			m.s.sourceAppeared()
		}
		m.everything(ctx)
	default:
		m.name(ctx, c.Rel)
	}
	return nil
}

// sweepCARs looks whether CARs came into the home's store where nobody watches it, at the
// cost of one stat. One that is being written changes the folder once: for a while it is looked at again.
func (m *monitor) sweepCARs() {
	m.s.mu.Lock()
	h, w := m.s.home, m.s.watcher
	m.s.mu.Unlock()
	if h == nil || w == nil {
		return
	}
	if st := w.Stats(); st.Watched > 0 && st.Unwatched == 0 && !st.Network {
		return
	}
	now, before := h.CARsChanged(), m.cars
	m.cars = now
	if young := m.s.clk.Now().Sub(now) < 4*m.s.config().Dirty; !now.Equal(before) || young {
		m.s.sourceAppeared()
	}
}

// name looks at one file.
func (m *monitor) name(ctx context.Context, rel string) {
	kind, backend := home.Classify(rel)
	s := m.s
	switch kind {
	case home.Mark:
		m.mark(ctx, backend)
	case home.BackendDir:
		m.mark(ctx, backend)
		s.wantMeta(func(w *metaWant) { w.configs = true; w.pins[backend] = true })
	case home.BackendConfig:
		s.wantMeta(func(w *metaWant) { w.configs = true })
	case home.Registry:
		s.wantMeta(func(w *metaWant) { w.registry = true })
	case home.BucketFile:
		s.wantMeta(func(w *metaWant) { w.buckets = true })
	case home.Mapping:
		s.wantMeta(func(w *metaWant) { w.pins[backend] = true })
	case home.CAR:
		if strings.HasSuffix(path.Base(rel), ".car") {
			s.sourceAppeared()
		}
	case home.Hint, home.Foreign:
	}
}

// mark reads the marks of one backend and plans it anew if they changed.
func (m *monitor) mark(ctx context.Context, name string) {
	m.s.mu.Lock()
	cat := m.s.cat
	open := m.s.home != nil
	m.s.mu.Unlock()
	if !open {
		return
	}
	changed, err := cat.RefreshMark(ctx, name)
	if err != nil {
		if ctx.Err() == nil {
			m.s.log.WithField("BACKEND", name).WithError(err).Warn("its dirty marks could not be read")
		}
		return
	}
	m.lookAgain(cat, name)
	if !changed || !m.p.Alive() {
		return
	}
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.update(name, false)
}

// lookAgain has those of some names looked at after the settle time that have a file which may be in the middle of being written.
func (m *monitor) lookAgain(cat *catalog.Catalog, names ...string) {
	at := m.s.clk.Now().Add(m.s.config().Settle + 100*time.Millisecond)
	for _, name := range names {
		if b, ok := cat.Get(name); ok && b.Dirty != nil && b.Dirty.Settling {
			m.settling[name] = at
		}
	}
	m.wakeSettled()
}

// wakeSettled sets the timer for the first that is to be looked at again.
func (m *monitor) wakeSettled() {
	var first time.Time
	for _, at := range m.settling {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if !first.IsZero() {
		m.timer.Reset(first.Sub(m.s.clk.Now()))
	}
}

// settleAll is lookAgain for a home that was just read.
func (m *monitor) settleAll() {
	m.s.mu.Lock()
	cat, open := m.s.cat, m.s.home != nil
	m.s.mu.Unlock()
	if open {
		m.lookAgain(cat, cat.Names()...)
	}
}

// settled looks again at files that could not be parsed.
func (m *monitor) settled(ctx context.Context) {
	now := m.s.clk.Now()
	for name, at := range m.settling {
		if !at.After(now) {
			delete(m.settling, name)
			m.mark(ctx, name)
		}
	}
	m.wakeSettled()
}

// everything looks at all marks: at the sweep, after lost events, when asked.
func (m *monitor) everything(ctx context.Context) {
	m.s.mu.Lock()
	cat := m.s.cat
	open := m.s.home != nil
	m.s.mu.Unlock()
	if !open {
		return
	}
	names, err := cat.RefreshMarks(ctx, m.p.Beat)
	if err != nil && ctx.Err() == nil {
		m.s.log.WithError(err).Warn("not all dirty marks could be read")
	}
	if !m.p.Alive() {
		return
	}
	m.lookAgain(cat, names...)
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	for _, name := range names {
		m.s.update(name, false)
	}
}

// readMarks reads the marks of the named backends, or of all: whoever asks
// just after a mark was written means that mark, which the monitor may not have read yet.
func (s *Service) readMarks(ctx context.Context, names []string) {
	s.mu.Lock()
	cat, open := s.cat, s.home != nil
	s.mu.Unlock()
	if !open {
		return
	}
	changed, errs := []string(nil), []error(nil)
	if len(names) == 0 {
		var err error
		changed, err = cat.RefreshMarks(ctx, func() {})
		errs = append(errs, err)
	}
	for _, name := range names {
		differs, err := cat.RefreshMark(ctx, name)
		if differs {
			changed = append(changed, name)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
		s.log.WithError(err).Warn("dirty marks could not be read; what is known of them counts")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cat != cat {
		return // another home
	}
	for _, name := range changed {
		s.update(name, false)
	}
}

// wantMeta asks the metadata reader to read something again.
func (s *Service) wantMeta(f func(*metaWant)) {
	s.mu.Lock()
	if s.metaWant.pins == nil {
		s.metaWant.pins = map[string]bool{}
	}
	f(&s.metaWant)
	s.mu.Unlock()
	s.kickMeta()
}

// kickMeta wakes the metadata reader.
func (s *Service) kickMeta() {
	select {
	case s.metaKick <- struct{}{}:
	default: // it is awake
	}
}
