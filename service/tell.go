package service

import (
	"fmt"
	"time"

	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/redact"
	"ipfskit.org/intelligent/internal/status"
)

// Message ids of the service's own events.
const (
	idStarted    = logging.IDStarted
	idStopping   = logging.IDStopping
	idWaiting    = logging.IDWaiting
	idUnreadable = logging.IDUnreadable
)

// tell passes an event to the bus, and what people want to read later to the
// log. Both take it without waiting for anybody. The caller holds mu.
func (s *Service) tell(ev status.Event) {
	if s.opts.Publish != nil {
		s.opts.Publish(ev)
	}
	l := s.log.WithField(logging.FieldBackend, ev.Backend)
	switch ev.Kind {
	case status.BackendDirty:
		text := "dirty, and its mark names no actions"
		if ev.N > 0 {
			text = fmt.Sprintf("dirty, unsynced actions: %d", ev.N)
		}
		l.WithField(logging.FieldMessageID, logging.IDBackendDirty).Info(text)
	case status.BackendClean:
		l.WithField(logging.FieldMessageID, logging.IDBackendClean).Info("clean: its mark is cleared")
	case status.BackendHealth:
		e := l.WithField(logging.FieldMessageID, logging.IDBackendHealth)
		if ev.New == status.HealthUnhealthy {
			e.Warnf("health: %s (was %s): %s", ev.New, ev.Old, ev.Why)
		} else {
			e.Infof("health: %s (was %s): %s", ev.New, ev.Old, ev.Why)
		}
	case status.TaskFinished:
		l = l.WithField(logging.FieldTask, ev.Task.ID)
		var took time.Duration // none, where it ended before it began
		if !ev.Task.Started.IsZero() {
			took = ev.Task.Finished.Sub(ev.Task.Started).Round(time.Millisecond)
		}
		switch {
		case ev.Task.State == status.TaskFailed:
			l.WithField(logging.FieldMessageID, logging.IDTaskFailed).Warnf("%s failed: %s", ev.Task.Kind, ev.Task.Error)
		case ev.Task.Kind == status.KindHealthCheck:
			l.WithField(logging.FieldMessageID, logging.IDTaskFinished).Debugf("%s %s in %s", ev.Task.Kind, ev.Task.State, took)
		default:
			l.WithField(logging.FieldMessageID, logging.IDTaskFinished).Infof("%s %s in %s: %s", ev.Task.Kind, ev.Task.State, took, ev.Why)
		}
	case status.TaskChanged:
		switch ev.Task.State {
		case status.TaskWaitingRetry:
			if ev.Why != "" {
				l.WithField(logging.FieldTask, ev.Task.ID).WithField(logging.FieldMessageID, logging.IDTaskFailed).
					Warnf("%s failed, next try %s: %s", ev.Task.Kind, ev.Task.NextTry.Local().Format("15:04:05"), ev.Why)
			}
		case status.TaskBlocked:
			if ev.Why != "" {
				l.WithField(logging.FieldTask, ev.Task.ID).WithField(logging.FieldMessageID, logging.IDBlocked).Warnf("blocked: %s", ev.Task.Error)
			}
		}
	}
}

// workerEvent is told by the supervisor.
func (s *Service) workerEvent(ev status.Event) {
	if ev.Kind == status.WorkerChanged {
		if s.opts.Publish != nil {
			s.opts.Publish(ev)
		}
		return
	}
	s.log.WithField(logging.FieldWorker, ev.Worker).WithField(logging.FieldMessageID, logging.IDWorkerRestarted).
		Warnf("worker %s was replaced (%s so far): %s", ev.Worker, human.Count(ev.N, "time", "times"), ev.Why)
	ev.Why = firstLine(ev.Why)
	s.hist.Worker(s.clk.Now(), ev.Worker, ev.N, redact.Text(ev.Why))
	if s.opts.Publish != nil {
		s.opts.Publish(ev)
	}
}

// statusLine is the one line for people that systemctl shows.
func (s *Service) statusLine() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statusLineLocked()
}

// tellStatus brings the line that systemctl shows up to date.
func (s *Service) tellStatus() {
	if err := s.not.status(s.statusLine()); err != nil {
		s.log.WithError(err).Debug("systemd could not be told the status")
	}
}

func (s *Service) statusLineLocked() string {
	state, why := s.state()
	if why != "" {
		return state + ": " + firstLine(why)
	}
	line := fmt.Sprintf("%s: %s, %d dirty", state, human.Count(s.totals.backends, "backend", "backends"), len(s.totals.dirty))
	if n := len(s.totals.blocked); n > 0 {
		line += fmt.Sprintf(" (%d blocked)", n)
	}
	if n := len(s.totals.unhealthy); n > 0 {
		line += fmt.Sprintf(", %d unhealthy", n)
	}
	return line
}

// state is the service's state and, unless it runs well, why. The caller holds mu.
func (s *Service) state() (state, why string) {
	switch {
	case s.stopping:
		return status.StateStopping, ""
	case !s.ready && s.trouble["home"] == "":
		return status.StateStarting, "the home is being read"
	case s.home == nil:
		return status.StateWaiting, s.trouble["home"]
	case s.paused:
		return status.StatePaused, "paused by a person; resume with: ipfs-kit-intelligent resume"
	case s.busLost != "":
		return status.StateDegraded, "the bus is lost: " + s.busLost
	}
	for _, kind := range []string{"sandbox", "configuration", "read", "state", "network", "watch"} {
		if t := s.trouble[kind]; t != "" {
			return status.StateDegraded, t
		}
	}
	return status.StateRunning, ""
}

// BusState is told by the bus: connected, or lost and why.
func (s *Service) BusState(connected bool, err error) {
	s.busKnownOnce.Do(func() { close(s.busKnown) })
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := ""
	if !connected {
		lost = "not connected"
		if err != nil {
			lost = err.Error()
		}
	}
	if s.busLost == lost {
		return
	}
	s.busLost = lost
	if lost != "" {
		s.log.WithField(logging.FieldMessageID, logging.IDBus).Warnf("the bus is lost, syncs go on: %s", lost)
	} else {
		s.log.WithField(logging.FieldMessageID, logging.IDBus).Info("on the bus")
	}
	s.tell(status.Event{Kind: status.ManagerChanged})
}

// registryTold is what the registry was told last about a backend.
type registryTold struct {
	state   string
	at      time.Time
	pins    int64
	storage int64
}

// registryQuiet is how long health that did not change in anything but its time is kept to ourselves.
const registryQuiet = 10 * time.Minute

// tellRegistry passes health on to backend_registry.parquet: a changed state at
// once, else coalesced, and not at all where nothing but times differ. The caller holds mu.
func (s *Service) tellRegistry(e *entry, now time.Time) {
	if e.cat == nil || e.misconfigured != "" {
		return
	}
	st := e.health.State()
	if st == status.HealthDegraded {
		st = status.HealthHealthy // upstream knows two words
	}
	if st != status.HealthHealthy && st != status.HealthUnhealthy {
		return
	}
	next := registryTold{state: st, at: now, pins: int64(e.cat.Pins.Total), storage: max(e.usage.UsedBytes, 0)}
	row := e.cat.Row
	if e.told.state == "" && row != nil {
		e.told = registryTold{state: row.Health, at: row.LastCheck, pins: row.PinCount, storage: row.StorageUsage}
	}
	same := e.told.pins == next.pins && e.told.storage == next.storage
	if e.told.state == st && (same || now.Sub(e.told.at) < registryQuiet) {
		return
	}
	e.told = next
	s.reg.add(home.RegistryUpdate{Name: e.name, Health: &home.RegistryHealth{Status: st, Type: e.cat.Type(), Endpoint: e.cat.Endpoint(),
		CheckedAt: now, ResponseMS: e.health.MeanMS(), PinCount: next.pins, StorageUsage: next.storage}})
}
