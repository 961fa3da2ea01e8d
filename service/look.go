package service

import (
	"time"

	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/queue"
	"ipfskit.org/intelligent/internal/status"
)

// look plans one backend anew and offers what is wanted to the queue. It is
// what every event leads to; looking twice does no harm. The caller holds mu.
func (s *Service) look(e *entry) {
	now := s.clk.Now()
	if e.paused && !e.pausedUntil.IsZero() && !now.Before(e.pausedUntil) {
		e.paused, e.pausedUntil, e.changed = false, time.Time{}, true // its time is over
	}
	d := plan.Decide(s.view(e), s.rules, now)
	var ops []queue.Op
	wanted := map[string]bool{}
	for _, w := range d.Wants {
		wanted[w.Kind] = true
		t := s.want(e, w, now)
		if t.State != status.TaskRunning {
			ops = append(ops, queue.Op{Key: e.name, Kind: w.Kind, ID: t.ID, Priority: int(w.Priority), Weight: priorityOf(e), Since: t.Created})
		}
	}
	for kind, w := range d.Waiting {
		s.keep(e, kind, w, now)
	}
	for kind, t := range e.live {
		if !wanted[kind] && t.State != status.TaskRunning && s.home != nil { // while it is away, all waits as it was
			s.park(e, t, d, now)
		}
	}
	if s.home != nil && !s.stopping {
		s.queue.Set(e.name, ops)
		s.queue.SetWake(e.name, d.NextWake)
	}
	s.recount(e)
}

// lookAll plans all backends anew: at start, after a reload, when the network came back. The caller holds mu.
func (s *Service) lookAll() {
	for _, e := range s.entries {
		s.look(e)
	}
}

// wakeDue plans the backends whose time has come.
func (s *Service) wakeDue() {
	keys := s.queue.Due()
	if len(keys) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if k == globalState {
			s.resume()
		}
		if e, ok := s.entries[k]; ok {
			s.look(e)
		}
	}
	s.forgetTasks(s.clk.Now())
}

// want finds or makes the live task for what is wanted. The caller holds mu.
func (s *Service) want(e *entry, w plan.Want, now time.Time) *task {
	s.advanceNext(e, w.Kind, now)
	if t, ok := e.live[w.Kind]; ok {
		if t.State != status.TaskRunning && (t.State != status.TaskQueued || t.Priority != w.Priority || t.Reason != w.Reason) {
			t.Priority, t.Reason, t.NextTry = w.Priority, w.Reason, time.Time{}
			s.tasks.setState(t, status.TaskQueued)
			s.tell(status.Event{Kind: status.TaskChanged, Backend: e.name, Task: t.copyOf()})
		}
		return t
	}
	t := s.newTask(e, s.nextID(e, w.Kind), w, now)
	if e.live == nil {
		e.live = map[string]*task{}
	}
	e.live[w.Kind] = t
	return t
}

// keep has a task again that waited before a restart, under the id that people know. The caller holds mu.
func (s *Service) keep(e *entry, kind string, w plan.Wait, now time.Time) {
	if _, kept := e.ids[kind]; e.live[kind] == nil && (kept || e.asks(kind)) {
		s.want(e, plan.Want{Kind: kind, Priority: s.rules.Priority[plan.CauseDirtyRetry], Reason: w.Reason}, now)
	}
}

// newTask makes a queued task and tells of it. The caller holds mu.
func (s *Service) newTask(e *entry, id uint64, w plan.Want, now time.Time) *task {
	t := &task{asked: w.Asked, Task: status.Task{ID: id, Kind: w.Kind, Backend: e.name, Priority: w.Priority, Reason: w.Reason, Created: now}}
	s.tasks.setState(t, status.TaskQueued)
	s.tasks.byID[t.ID] = t
	s.tell(status.Event{Kind: status.TaskNew, Backend: e.name, Task: t.copyOf()})
	return t
}

// follow makes the task that serves a request after the one that runs; one for all of a kind. The caller holds mu.
func (s *Service) follow(e *entry, r request, now time.Time) *task {
	if t, ok := e.next[r.Kind]; ok {
		return t
	}
	if e.next == nil {
		e.next = map[string]*task{}
	}
	t := s.newTask(e, r.ID, plan.Want{Kind: r.Kind, Priority: s.rules.Priority[plan.CauseAsked], Reason: "asked for while another one ran", Asked: true}, now)
	e.next[r.Kind] = t
	return t
}

// advanceNext lets a task that followed another one take its place, once that does not run any more. The caller holds mu.
func (s *Service) advanceNext(e *entry, kind string, now time.Time) {
	next, ok := e.next[kind]
	if !ok {
		return
	}
	if t, live := e.live[kind]; live {
		if t.State == status.TaskRunning {
			return
		}
		s.finish(e, t, status.TaskCancelled, errNewer.Error(), errNewer.Error(), now)
		s.db.DropRequest(t.ID) // the newer one's says all that is wanted
	}
	delete(e.next, kind)
	if e.live == nil {
		e.live = map[string]*task{}
	}
	e.live[kind] = next
}

// park is for a task that is not wanted now: it waits for its next try, is
// blocked, or has nothing left to do. The caller holds mu.
func (s *Service) park(e *entry, t *task, d plan.Decision, now time.Time) {
	w, ok := d.Waiting[t.Kind]
	switch {
	case e.cat == nil || !e.cat.Counted():
		s.answer(e, t, nil)
		s.finish(e, t, status.TaskCancelled, errGone.Error(), "cancelled", now)
		return
	case !ok && t.Attempt == 0 && !t.asked: // other work served, before it began
		s.finish(e, t, status.TaskCancelled, "it was not needed any more", "cancelled", now)
		return
	case !ok:
		s.finish(e, t, status.TaskDone, "", "nothing is left to do", now)
		return
	}
	state, next := status.TaskWaitingRetry, w.Until
	if w.Blocked {
		state = status.TaskBlocked
	}
	if t.State == state && t.NextTry.Equal(next) {
		return
	}
	t.NextTry = next
	s.tasks.setState(t, state)
	s.tell(status.Event{Kind: status.TaskChanged, Backend: e.name, Task: t.copyOf()})
}

// recount brings the totals and the announcements up to date with a backend. The caller holds mu.
func (s *Service) recount(e *entry) {
	next := s.factsOf(e)
	old := e.counted
	e.counted = next
	s.totals.apply(e.name, old, next)
	e.line = nil
	if !old.counted && next.counted {
		s.tell(status.Event{Kind: status.BackendAdded, Backend: e.name})
	}
	if old != next {
		s.noteLevel()
	}
	switch {
	case next.dirty && e.announced != e.cat.Dirty.Version:
		e.announced = e.cat.Dirty.Version
		s.noteDirty(e)
		s.tell(status.Event{Kind: status.BackendDirty, Backend: e.name, N: uint64(e.cat.Dirty.Unsynced)})
	case old.dirty && !next.dirty:
		e.announced = ""
		if next.counted || !next.cat.IsDirty() { // else it is gone, with its mark as it is
			s.noteClean(e)
			s.tell(status.Event{Kind: status.BackendClean, Backend: e.name})
		}
		e.mark = markMemory{}
	}
	if old.counted && !next.counted {
		s.tell(status.Event{Kind: status.BackendGone, Backend: e.name})
	} else if next.counted {
		s.tell(status.Event{Kind: status.BackendChanged, Backend: e.name})
	}
}
