package service

import (
	"context"
	"slices"
	"time"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/status"
)

func (s *Service) background() context.Context { return context.Background() }

// usable refuses requests while nothing can be done. It needs mu.
func (s *Service) usable() error {
	switch {
	case s.home == nil && s.cat == nil && s.trouble["home"] == "":
		return status.Errorf(status.NotReady, "the home %s is still being read; wait for it: ipfs-kit-intelligent wait --for ready", s.opts.Paths.Home)
	case s.home == nil && s.trouble["home"] != status.HomeAbsent:
		return status.Errorf(status.NotReady, "the home %s can't be served now: %s", s.opts.Paths.Home, s.trouble["home"])
	case s.home == nil:
		return status.Errorf(status.NotReady, "the home %s is not there yet; make it, or name another with IPFS_KIT_HOME", s.opts.Paths.Home)
	case s.paused:
		return status.Errorf(status.Paused, "the service is paused; resume it first: ipfs-kit-intelligent resume")
	}
	return nil
}

// pick finds the backends that are named. It needs mu.
func (s *Service) pick(names []string) ([]*entry, error) {
	out, seen := make([]*entry, 0, len(names)), map[*entry]bool{}
	for _, n := range names {
		e, ok := s.entries[n]
		if !ok || !e.counted.counted {
			return nil, noBackend(n)
		}
		if !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	return out, nil
}

// all lists the backends that count, are not paused and that want says, in the order of names. It needs mu.
func (s *Service) all(want func(*entry) bool) []*entry {
	var out []*entry
	for _, n := range s.cat.Names() {
		if e, ok := s.entries[n]; ok && e.counted.counted && !e.resting() && want(e) {
			out = append(out, e)
		}
	}
	return out
}

// enqueue writes requests down and queues their tasks. r says what is asked for of each.
func (s *Service) enqueue(ctx context.Context, choose func() ([]*entry, error), r func(*entry) request) ([]uint64, error) {
	s.mu.Lock()
	if err := s.usable(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	picked, err := choose()
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	reqs := make([]request, len(picked))
	for i, e := range picked {
		reqs[i] = r(e)
		if err := e.merge(&reqs[i]); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		if t, ok := e.live[reqs[i].Kind]; ok && t.State != status.TaskRunning {
			reqs[i].ID = t.ID // the task that waits serves it
		} else {
			reqs[i].ID = s.freshID()
		}
	}
	s.mu.Unlock()
	now := s.clk.Now()
	s.writeRequests(ctx, picked, reqs, now)
	ids, late := s.take(picked, reqs, now)
	var again []*entry
	var changed []request
	for _, i := range late {
		again, changed = append(again, picked[i]), append(changed, reqs[i])
	}
	s.writeRequests(ctx, again, changed, now)
	return ids, nil
}

// writeRequests journals what is asked of backends, at once: one by one thousands would take longer than a caller waits.
// What can't be written is served all the same.
func (s *Service) writeRequests(ctx context.Context, picked []*entry, reqs []request, now time.Time) {
	if len(reqs) == 0 {
		return
	}
	if err := s.journalRequests(ctx, picked, reqs, now); err != nil {
		s.log.WithError(err).Warn("what was asked for could not be written down; it is done all the same, but a restart would forget it")
	}
}

// take has requests that were written down served, and gives the ids of their tasks.
// late are those that got another id, because the task that should serve them began, or
// even ended, meanwhile, or because another one serves them too.
func (s *Service) take(picked []*entry, reqs []request, now time.Time) (ids []uint64, late []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids = make([]uint64, len(picked))
	for i, e := range picked {
		was, r := reqs[i].ID, &reqs[i]
		if s.entries[e.name] != e { // it went while this was written down
			ids[i] = was
			s.db.DropRequest(was)
			s.closeOld(e, r.Kind, was, errGone)
			continue
		}
		if t := s.tasks.byID[r.ID]; t != nil && (t.State == status.TaskRunning || !t.live()) {
			r.ID = s.freshID()
		}
		if t, ok := e.live[r.Kind]; ok && t.State == status.TaskRunning {
			// What runs began before it was asked for: another one follows.
			r.after = t.ID
			r.ID = s.follow(e, *r, now).ID
		} else if ok {
			r.ID = t.ID
		}
		if ids[i] = r.ID; r.ID != was {
			late = append(late, i)
			if !slices.ContainsFunc(e.asked, func(q request) bool { return q.ID == was }) {
				s.db.DropRequest(was)
			}
		}
		e.asked = append(e.asked, *r)
		s.tryNow(e) // a person's word resets the wait
		e.blocked = nil
		s.look(e)
	}
	return ids, late
}

// Sync queues forced syncs: of the named ones, else of every dirty one. A clean one that is named is compared whole.
func (s *Service) Sync(ctx context.Context, names []string, reconcile bool) ([]uint64, error) {
	s.readMarks(ctx, names)
	return s.enqueue(ctx, func() ([]*entry, error) {
		if len(names) > 0 {
			list, err := s.pick(names)
			if err != nil {
				return nil, err
			}
			return list, unusableOne(list)
		}
		return s.all(func(e *entry) bool { return (e.counted.dirty || reconcile) && e.misconfigured == "" }), nil
	}, func(e *entry) request {
		r := request{Kind: status.KindPinSync, Reconcile: reconcile || len(names) > 0 && !e.counted.dirty, Target: e.target}
		if reconcile && len(names) > 0 {
			r.Removals = e.removals()
		}
		return r
	})
}

// unusableOne refuses what could not begin.
func unusableOne(list []*entry) error {
	for _, e := range list {
		switch {
		case e.misconfigured != "":
			return status.Errorf(status.BackendUnavailable, "backend %s can't be used: %s", e.name, e.misconfigured)
		case e.paused:
			return status.Errorf(status.Paused, "backend %s is paused; resume it first: ipfs-kit-intelligent resume %s", e.name, human.Argument(e.name))
		case e.resting():
			return status.Errorf(status.Paused, "backend %s is paused by its configuration; take paused: true away there", e.name)
		}
	}
	return nil
}

// resting says that nothing new begins for a backend, by a person's word or its configuration.
func (e *entry) resting() bool { return e.paused || e.cat.Config != nil && e.cat.Config.Paused }

// Check queues health checks.
func (s *Service) Check(ctx context.Context, names []string) ([]uint64, error) {
	return s.simple(ctx, names, status.KindHealthCheck, func(*entry) bool { return true })
}

// Backup queues backups of both kinds: on the named ones, else on the usual targets.
func (s *Service) Backup(ctx context.Context, names []string) ([]uint64, error) {
	var ids []uint64
	for _, kind := range []string{status.KindBackupBuckets, status.KindBackupMetadata} {
		more, err := s.simple(ctx, names, kind, func(e *entry) bool { return s.targets.names[e.name] })
		if err != nil {
			return ids, err
		}
		ids = append(ids, more...)
	}
	return ids, nil
}

// Verify queues the reading back of what is stored.
func (s *Service) Verify(ctx context.Context, names []string) ([]uint64, error) {
	return s.simple(ctx, names, status.KindVerify, func(*entry) bool { return true })
}

func (s *Service) simple(ctx context.Context, names []string, kind string, usual func(*entry) bool) ([]uint64, error) {
	return s.enqueue(ctx, func() ([]*entry, error) {
		if len(names) > 0 {
			list, err := s.pick(names)
			if err != nil {
				return nil, err
			}
			return list, unusableOne(list)
		}
		return s.all(func(e *entry) bool { return e.misconfigured == "" && usual(e) }), nil
	}, func(*entry) request { return request{Kind: kind} })
}

// Restore queues a restore.
func (s *Service) Restore(ctx context.Context, name, what string, o dbus.RestoreOptions) (uint64, error) {
	ids, err := s.enqueue(ctx, func() ([]*entry, error) {
		list, err := s.pick([]string{name})
		if err == nil {
			err = unusableOne(list)
		}
		if err == nil {
			err = checkRestore(name, what, o)
		}
		return list, err
	}, func(*entry) request {
		return request{Kind: status.KindRestore, What: what, Into: o.Into, Backup: o.Backup, Overwrite: o.Overwrite}
	})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// Dismiss gives up what a backend can't do, by a person's word.
func (s *Service) Dismiss(ctx context.Context, name string) (uint64, error) {
	s.mu.Lock()
	list, err := s.pick([]string{name})
	if err == nil {
		err = s.usable()
	}
	if err != nil {
		s.mu.Unlock()
		return 0, err
	}
	h, cat, dirty := s.home, s.cat, list[0].cat.Dirty
	list[0].mark.dismissed = dirty != nil && dirty.IsDirty // what clears it now is this
	s.mu.Unlock()
	if dirty == nil || !dirty.IsDirty {
		return 0, nil
	}
	_, err = h.ClearDirty(ctx, name, home.Cleared{Seen: dirty, Dismiss: true})
	if err == nil && len(dirty.Problems) > 0 {
		err = status.Errorf(status.Unsupported, "a mark of %s can't be read, so what it asks for can't be given up: %v; mend it, or remove it and have all of it compared: ipfs-kit-intelligent sync --reconcile --backend %s",
			name, dirty.Problems[0], human.Shell(name))
	}
	if err != nil {
		s.mu.Lock()
		list[0].mark.dismissed = false
		s.mu.Unlock()
		return 0, err
	}
	if _, err := cat.RefreshMark(ctx, name); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[name]; ok {
		e.blocked = nil
		delete(e.tries, status.KindPinSync)
		if t := e.live[status.KindPinSync]; t != nil && t.cancel == nil {
			s.answer(e, t, nil) // what was said about it is over with it
		}
		s.update(name, false)
	}
	s.log.WithField(logging.FieldBackend, name).Infof("%s given up by a person's word", human.Count(dirty.Unsynced, "action was", "actions were"))
	return uint64(dirty.Unsynced), nil //nolint:gosec // a count
}
