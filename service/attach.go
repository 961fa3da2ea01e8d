package service

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// attach opens, locks and reads a home that is there. It is called by the dirty
// monitor whenever the home is seen, and does nothing when that very folder is open already.
func (s *Service) attach(ctx context.Context, p *Pulse) error {
	s.mu.Lock()
	now := s.home
	s.mu.Unlock()
	if now != nil && now.Here() {
		return nil
	}
	if now != nil {
		s.sawAbsent(s.opts.Paths.Home)
		s.detach("the home was replaced by another folder")
	}
	h, unlock, err := s.takeHome(ctx)
	if h == nil {
		return err
	}
	if n, err := h.Sweep(ctx); err != nil {
		s.log.WithError(err).Warn("leftovers of an earlier run could not be removed")
	} else if n > 0 {
		s.log.Infof("removed %s of an earlier run", human.Count(n, "file", "files"))
	}
	cat := catalog.New(h)
	began := s.clk.Now()
	names, err := cat.RefreshAll(ctx, s.extendWhileReading(p))
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), unlock(), h.Close())
	}
	s.noteRead(err)
	s.log.Infof("read the home %s: %s in %s", h.Path(), human.Count(len(cat.Names()), "name", "names"), s.clk.Now().Sub(began).Round(time.Millisecond))
	slices.Sort(names) // the names behind the totals are in order
	s.mu.Lock()
	defer s.mu.Unlock()
	s.home, s.unlock, s.cat = h, unlock, cat
	s.cars, s.mapped = backend.NewLane(carReaders, s.clk), newCarLanes(h.Path(), s.clk)
	s.homeID = homeID(h.Path())
	s.lastScan = s.clk.Now()
	delete(s.trouble, "home")
	if s.partly = err != nil; !s.partly { // else what was known stays until all can be read
		s.forgetGone()
	}
	for _, name := range names {
		s.update(name, true)
	}
	s.lookForSources() // content may have come while nobody watched
	s.noteLevel()
	s.chooseTargets()
	s.tell(status.Event{Kind: status.ManagerChanged})
	s.wentOnce.Do(func() { close(s.wentHome) })
	s.metaWant.index = true
	s.kickMeta()
	return nil
}

// forgetGone forgets the backends of a home that was here before. The caller holds mu.
func (s *Service) forgetGone() {
	for name := range s.entries {
		if _, there := s.cat.Get(name); !there {
			s.update(name, false)
		}
	}
}

// takeHome opens the home and takes it for this service; nil: it is waited for, and says why.
func (s *Service) takeHome(ctx context.Context) (h *home.Home, unlock func() error, err error) {
	h, err = home.Open(s.opts.Paths.Home, home.Options{Clock: s.clk, Settle: s.config().Settle, WrapRoot: s.opts.WrapHomeRoot})
	if errors.Is(err, fs.ErrNotExist) {
		s.sawAbsent(s.opts.Paths.Home)
		why := status.HomeAbsent
		if hidden := s.hidden(s.opts.Paths.Home, err); !errors.Is(hidden, fs.ErrNotExist) {
			why = plainError(hidden)
		}
		s.detach(why)
		return nil, nil, nil
	}
	if err != nil {
		s.detach(plainError(s.hidden(s.opts.Paths.Home, err)))
		return nil, nil, nil
	}
	if err := s.held(ctx, h.Path()); err != nil {
		s.detach(err.Error())
		return nil, nil, h.Close()
	}
	unlock, err = h.Lock(home.Owner{PID: os.Getpid(), Host: hostname(), Bus: s.opts.Bus, Version: s.opts.Version, Since: s.started})
	if err != nil {
		return nil, nil, errors.Join(s.refuse(err), h.Close())
	}
	return h, unlock, nil
}

// refuse is for a home that another service has: at the start this one ends, later it waits.
func (s *Service) refuse(err error) error {
	var locked *home.LockedError
	if !errors.As(err, &locked) {
		s.detach(err.Error())
		return nil
	}
	s.mu.Lock()
	s.lockErr = locked
	s.mu.Unlock()
	s.detach(locked.Error())
	return nil
}

// detach is for a home that is not there, or no more: it is waited for, nothing
// new begins, and what was known of it stays.
func (s *Service) detach(why string) {
	s.mu.Lock()
	h, unlock := s.home, s.unlock
	s.home, s.unlock = nil, nil
	s.noteLevel()
	if s.trouble["home"] != why {
		s.trouble["home"] = why
		s.log.WithField("MESSAGE_ID", idWaiting).Infof("waiting for the home %s: %s", s.opts.Paths.Home, why)
	}
	if h != nil {
		for _, e := range s.entries {
			s.queue.Set(e.name, nil)
			s.queue.SetWake(e.name, time.Time{})
		}
		for _, t := range s.tasks.byID {
			if t.cancel != nil {
				t.cancel(errAway)
			}
		}
	}
	s.tell(status.Event{Kind: status.ManagerChanged})
	s.mu.Unlock()
	s.wentOnce.Do(func() { close(s.wentHome) })
	if h != nil {
		if err := errors.Join(h.Close(), unlock()); err != nil {
			s.log.WithError(err).Warn("the home could not be let go cleanly")
		}
	}
}

// extendWhileReading beats, and asks systemd for more time while a big home is read.
func (s *Service) extendWhileReading(p *Pulse) func() {
	last := s.clk.Now()
	return func() {
		p.Beat()
		if now := s.clk.Now(); now.Sub(last) > time.Second {
			last = now
			s.not.extend(30 * time.Second) //nolint:errcheck // READY will say it again
		}
	}
}

// noteRead tells people about what could not be read; the last good data stays.
func (s *Service) noteRead(err error) {
	if err == nil {
		s.clearTrouble("read")
		return
	}
	s.setTrouble("read", err.Error())
	s.log.WithField("MESSAGE_ID", idUnreadable).WithError(err).Warn("part of the home could not be read; what was known of it stays")
}

func (s *Service) setTrouble(kind, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble[kind] != text {
		s.trouble[kind] = text
		s.tell(status.Event{Kind: status.ManagerChanged})
	}
}

func (s *Service) clearTrouble(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.trouble[kind]; ok {
		delete(s.trouble, kind)
		s.tell(status.Event{Kind: status.ManagerChanged})
	}
}
