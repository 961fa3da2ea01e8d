package service

import (
	"context"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/status"
)

// Rescan looks at everything again.
func (s *Service) Rescan(context.Context) error {
	s.wantMeta(func(w *metaWant) { w.configs, w.registry, w.buckets = true, true, true })
	select {
	case s.rescan <- struct{}{}:
	default: // one is asked for already
	}
	return nil
}

// Reload reads the configuration again; one that is wrong is refused, and the old one stays.
func (s *Service) Reload(ctx context.Context) error {
	cfg, warnings, err := config.Load(s.opts.Paths.Config)
	if err != nil {
		s.log.WithField(logging.FieldMessageID, logging.IDConfiguration).WithError(err).Error("the new configuration is wrong; the old one stays")
		s.setTrouble("configuration", "the new configuration is wrong, and the old one stays: "+firstLine(err.Error()))
		return status.Errorf(status.InvalidArgument, "the configuration is wrong, and the old one stays:\n%v", err)
	}
	for _, w := range warnings {
		s.log.Warn(w.String())
	}
	s.clearTrouble("configuration")
	old := s.cfg.Swap(cfg)
	if cfg.LogLevel != old.LogLevel { // else the one that somebody set meanwhile stays
		if err := s.SetLogLevel(cfg.LogLevel); err != nil {
			return err
		}
	}
	if names := config.NextStart(old, cfg); len(names) > 0 {
		s.log.WithField(logging.FieldMessageID, logging.IDConfiguration).Warnf("%s: what is new there counts from the next start: ipfs-kit-intelligent restart", strings.Join(names, ", "))
	}
	s.queue.SetLimit(cfg.Tasks)
	s.retime(cfg)
	s.mu.Lock()
	s.rules = cfg.Plan
	if s.home != nil {
		s.chooseTargets()
		s.lookAll()
	}
	s.mu.Unlock()
	s.log.WithField(logging.FieldMessageID, logging.IDConfiguration).Info("the configuration was read again")
	return s.Rescan(ctx)
}

// Pause stops new tasks of one backend, or of all.
func (s *Service) Pause(_ context.Context, name string, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var until time.Time
	if d > 0 {
		until = s.clk.Now().Add(d)
	}
	if name == "" {
		s.paused, s.pausedTo = true, until
		s.queue.Pause(true)
		s.queue.SetWake(globalState, until)
		s.saveService()
		s.tell(status.Event{Kind: status.ManagerChanged})
		return nil
	}
	list, err := s.pick([]string{name})
	if err != nil {
		return err
	}
	list[0].paused, list[0].pausedUntil = true, until
	s.look(list[0])
	s.save(list[0])
	return nil
}

// Resume ends a pause.
func (s *Service) Resume(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" {
		s.resume()
		return nil
	}
	list, err := s.pick([]string{name})
	if err != nil {
		return err
	}
	list[0].paused, list[0].pausedUntil = false, time.Time{}
	s.look(list[0])
	s.save(list[0])
	return nil
}

// resume needs mu.
func (s *Service) resume() {
	s.paused, s.pausedTo = false, time.Time{}
	s.queue.SetWake(globalState, time.Time{})
	s.queue.Pause(false)
	s.saveService()
	s.tell(status.Event{Kind: status.ManagerChanged})
}

// RestartWorker replaces a worker by a fresh one.
func (s *Service) RestartWorker(_ context.Context, name string) error {
	if !s.sup.ask(name) {
		return status.Errorf(status.NoSuchWorker, "there is no worker %q; they are %s", name, strings.Join(status.Workers, ", "))
	}
	return nil
}

// LogLevel is the level by LogControl1's names: as it was set, for several of them are one level here.
func (s *Service) LogLevel() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, lv, err := logging.NamedLevel(s.level); err == nil && lv == s.log.GetLevel() {
		return name
	}
	return logging.LevelName(s.log.GetLevel())
}

// SetLogLevel changes it until the next start.
func (s *Service) SetLogLevel(level string) error {
	name, lv, err := logging.NamedLevel(level)
	if err != nil {
		return status.Errorf(status.InvalidArgument, "%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = name
	s.log.SetLevel(lv)
	return nil
}

// LogTarget is journal or console.
func (s *Service) LogTarget() string { return logging.Target() }
