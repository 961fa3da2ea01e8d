package service

import (
	"context"
	"errors"
	"time"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/status"
)

// gatherReads is how long changes wait for company before files are read again: Python writes several at once.
const gatherReads = 50 * time.Millisecond

// wholePasses is how often all configurations and mappings are looked at where
// there are many backends and inotify sees every one of them.
const wholePasses = 5

// metadataReader is the worker of that name: configurations, registries,
// buckets and mappings, when they change and at its interval.
func (s *Service) metadataReader(ctx context.Context, p *Pulse) error {
	r := s.newRhythm(status.WorkerMetadataReader)
	defer r.t.Stop()
	settled := false
	for passes := 0; ; {
		p.Idle(r.due)
		all := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.retimed:
			r.next()
			continue
		case <-r.t.C:
			r.next()
			passes++
			all = passes%wholePasses == 0 || !s.trusted()
			s.wantMeta(func(w *metaWant) { w.registry, w.buckets, w.files = true, true, true })
		case <-s.metaKick:
			if !s.sup.pause(ctx, gatherReads) {
				return ctx.Err()
			}
		}
		p.Busy()
		if err := s.inject(status.WorkerMetadataReader); err != nil {
			return err
		}
		s.readMetadata(ctx, p, all)
		if !settled && s.pinIndexed() {
			settled = true
			s.garbage.settle() // what the first reading took is not needed any more
		}
	}
}

// readMetadata reads what changed, or all.
func (s *Service) readMetadata(ctx context.Context, p *Pulse, all bool) {
	s.mu.Lock()
	want, cat, h := s.metaWant, s.cat, s.home
	s.metaWant = metaWant{}
	s.mu.Unlock()
	if h == nil {
		return
	}
	var names []string
	var errs []error
	step := func(wanted bool, f func(context.Context) ([]string, error)) {
		if !wanted || ctx.Err() != nil {
			return
		}
		p.Beat()
		got, err := f(ctx)
		names = append(names, got...)
		errs = append(errs, err)
	}
	step(all || want.configs, cat.RefreshConfigs)
	step(all || want.registry, cat.RefreshRegistry)
	step(all || want.buckets || want.configs, cat.RefreshBuckets)
	step(all || len(want.pins) > 0, func(ctx context.Context) ([]string, error) { return readPins(ctx, cat, want.pins, all, p.Beat) })
	if ctx.Err() != nil || !p.Alive() {
		return
	}
	if all || len(errs) > 0 {
		s.noteRead(errors.Join(errs...))
	}
	more := false
	if all || want.buckets || want.configs || want.registry || want.targets {
		s.mu.Lock()
		more = s.chooseTargets()
		s.mu.Unlock()
	}
	s.lookAtBackups(ctx, p, want.buckets || more)
	if want.files {
		s.lookForFiles(ctx, p.Beat)
	}
	waits := s.awaits()
	s.indexPins(ctx, h, cat, want, names, all || want.index, waits, p.Beat)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastScan = s.clk.Now()
	for _, n := range names {
		s.update(n, false)
	}
	if want.sources {
		s.lookForContent()
	}
	for n := range waits.found { // after the updates: they say where to look
		s.lookSoon(s.entries[n])
	}
	if s.partly && all && s.cat == cat && errors.Join(errs...) == nil {
		s.partly = false
		s.forgetGone()
	}
	s.noteLevel()
	if len(names) > 0 || want.buckets {
		s.scans++
		s.tell(status.Event{Kind: status.MetadataChanged, N: s.scans})
	}
	s.tell(status.Event{Kind: status.ManagerChanged})
}

// readPins counts the mappings that changed, or all.
func readPins(ctx context.Context, cat *catalog.Catalog, some map[string]bool, all bool, beat func()) ([]string, error) {
	if all {
		return cat.RefreshAllPins(ctx, beat)
	}
	var names []string
	var errs []error
	for n := range some {
		beat()
		changed, err := cat.RefreshPins(ctx, n)
		if changed {
			names = append(names, n)
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return names, errors.Join(errs...)
}
