package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/health"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/queue"
	"ipfskit.org/intelligent/internal/status"
)

// begin starts a task that was taken from the queue; nil when nobody wants it any more.
func (s *Service) begin(op queue.Op, cancel context.CancelCauseFunc) *task {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tasks.byID[op.ID]
	if !ok || !t.live() || s.stopping || s.home == nil {
		return nil
	}
	t.cancel, t.Started = cancel, s.clk.Now()
	t.Attempt++
	t.NextTry, t.Error, t.Progress, t.ProgressValid = time.Time{}, "", 0, false
	t.ItemsDone, t.ItemsTotal, t.BytesDone, t.BytesTotal, t.BytesPerSecond = 0, 0, 0, 0, 0
	s.tasks.setState(t, status.TaskRunning)
	s.tell(status.Event{Kind: status.TaskChanged, Backend: t.Backend, Task: t.copyOf()})
	return t
}

// end takes the outcome of a task: health, attempts, what it waits for, the next plan.
func (s *Service) end(t *task, op queue.Op, r result) {
	s.mu.Lock()
	now := s.clk.Now()
	t.cancel = nil
	e := s.entries[t.Backend]
	if e == nil {
		s.mu.Unlock()
		s.queue.Done(op)
		return
	}
	s.judge(e, t, r, now)
	if t.Kind == status.KindPinSync && r.cause == nil {
		s.hist.Sync(now, r.err == nil && r.blocked == "" && !r.partial)
	}
	s.settle(e, t, r, now)
	e.changed = true
	if t.Kind != status.KindHealthCheck || r.err != nil {
		s.save(e) // of a check that went well the next tick keeps what is new
	}
	if e.lane != nil && e.lane.Idle() {
		e.lane = nil // what hangs keeps it; all others get a new one with their next task
	}
	if e.cat != nil || len(e.live) > 0 {
		s.look(e)
	}
	if e.cat == nil {
		s.dropEntry(e)
	}
	s.tell(status.Event{Kind: status.ManagerChanged})
	s.mu.Unlock()
	s.queue.Done(op)
}

// judge learns about the backend's health from how a task ended. The caller holds mu.
func (s *Service) judge(e *entry, t *task, r result, now time.Time) {
	before, proved := e.healthState(), e.health.State()
	rules := s.healthRules()
	switch {
	case r.worked:
		s.checked = now
		s.hist.Check(now, e.name, t.Kind, true, r.latency, "")
		s.wentWell(e, t, r, now, rules)
	case r.err != nil && r.cause == nil && backend.StopsPass(r.err) && !backend.OfHome(r.err):
		s.checked = now
		class := backend.ClassOf(r.err)
		atOnce := class == backend.ClassAuth || class == backend.ClassConfiguration
		s.hist.Check(now, e.name, t.Kind, false, 0, string(class))
		e.health.Failure(now, e.name, atOnce, rules)
		e.lastError = plainError(r.err)
		s.noteError(e.name, string(class), e.lastError, now)
		if class == backend.ClassNetwork && health.Away(r.err) && e.cat != nil && !isFilesystem(e.cat.Type()) && s.network.Failed(e.cat.Endpoint(), now) {
			s.trouble["network"] = "this machine's network seems to be away: several backends can't be reached"
		}
	case r.err != nil && r.cause == nil:
		s.noteError(e.name, string(backend.ClassOf(r.err)), plainError(r.err), now)
	}
	if after := e.healthState(); after != before {
		s.healthChanged(e, before, after, cmp.Or(e.lastError, e.health.Degraded(), t.Kind+" went well"))
	}
	if e.health.State() != proved { // also where the registry said so already
		s.rechoose(e)
	}
	s.tellRegistry(e, now)
}

// wentWell takes a proof that a backend works. A check and a verify read only: they do not disprove that writing
// fails as long as a check finds what may be why, which has it tried again once that is gone. The caller holds mu.
func (s *Service) wentWell(e *entry, t *task, r result, now time.Time, rules health.Rules) {
	if reads := t.Kind == status.KindHealthCheck || t.Kind == status.KindVerify; reads && e.cantBeWritten() {
		found := r.degraded
		if t.Kind == status.KindVerify {
			found = e.health.Degraded() // which it does not look for
		}
		if found != "" {
			e.health.Unproved(now, e.name, found, rules)
			return
		}
		if e.health.Degraded() != "" {
			e.health.Reset()
			a := e.tries[status.KindPinSync]
			a.Next = now
			e.tries[status.KindPinSync] = a
			defer s.look(e)
		}
	}
	e.health.Success(now, e.name, r.latency, r.degraded, rules)
	e.lastError = ""
	if e.cat != nil && s.network.Reached(e.cat.Endpoint()) {
		s.networkBack()
	}
}

// healthChanged tells of a backend's health; one that comes or goes has no change of it. The caller holds mu.
func (s *Service) healthChanged(e *entry, before, after, why string) {
	if before == status.HealthUnhealthy {
		s.worksAgain(e)
	}
	if !e.counted.counted || e.cat == nil || !e.cat.Counted() {
		return
	}
	s.hist.Health(s.clk.Now(), e.name, before, after, why)
	s.tell(status.Event{Kind: status.BackendHealth, Backend: e.name, Old: before, New: after, Why: why})
}

// probeCost is the least time between two checks of healthy backends, whichever
// they are: with many, each is looked at more rarely, so that all of them cost little.
const probeCost = time.Second

// healthRules are the configured ones, within what checks may cost. The caller holds mu.
func (s *Service) healthRules() health.Rules {
	r := s.config().Health
	r.ProbeMin = max(r.ProbeMin, time.Duration(len(s.entries))*probeCost)
	r.ProbeMax = max(r.ProbeMax, r.ProbeMin)
	return r
}

// rechoose has the targets of backups chosen anew where a backend's health makes a difference to them: soon, and
// for all at once, because the next one may fail or work again, too. The caller holds mu.
func (s *Service) rechoose(e *entry) {
	wanted := s.config().Backup.Enabled && e.cat != nil && isFilesystem(e.cat.Type()) && e.health.State() == status.HealthHealthy && s.preferred(e)
	if s.cat != nil && (wanted || s.targets.names[e.name]) {
		s.metaWant.targets = true
		s.kickMeta()
	}
}

// networkBack lets everything that waited for the network go on. The caller holds mu.
func (s *Service) networkBack() {
	delete(s.trouble, "network")
	for _, e := range s.entries {
		if e.cat != nil && !isFilesystem(e.cat.Type()) {
			s.tryNow(e)
			s.look(e)
		}
	}
}

// settle decides what becomes of the task. The caller holds mu.
func (s *Service) settle(e *entry, t *task, r result, now time.Time) {
	mark := ""
	if e.cat != nil && e.cat.Dirty != nil {
		mark = e.cat.Dirty.Version
	}
	switch {
	case r.cause != nil && errors.Is(r.cause, errCancelled):
		s.failTry(e, t.Kind, mark, r.cause, now)
		s.answer(e, t, nil)
		s.finish(e, t, status.TaskCancelled, errCancelled.Error(), "cancelled", now)
		return
	case r.cause != nil && errors.Is(r.cause, errGone):
		s.answer(e, t, nil)
		s.finish(e, t, status.TaskCancelled, errGone.Error(), "cancelled", now)
		return
	case r.cause != nil: // stopping, or another target: planned again, and no attempt
		t.logf(now, r.cause.Error())
		s.tasks.setState(t, status.TaskQueued)
		s.tell(status.Event{Kind: status.TaskChanged, Backend: e.name, Task: t.copyOf()})
		return
	}
	if t.Kind == status.KindPinSync {
		s.block(e, r, mark, now)
	}
	standing := e.cat != nil && e.cat.IsDirty() && t.Kind == status.KindPinSync
	switch {
	case r.err != nil:
		s.failTry(e, t.Kind, mark, r.err, now)
		s.answerFailed(e, t, r, now, standing)
	case r.blocked != "":
		s.answer(e, t, nil)
		t.Error = r.blocked
		t.logf(now, r.blocked)
		if !standing {
			s.finish(e, t, status.TaskPartial, r.blocked, r.text, now)
			return
		}
		s.tasks.setState(t, status.TaskBlocked)
		t.NextTry = e.blocked.Until
		s.tell(status.Event{Kind: status.TaskChanged, Backend: e.name, Task: t.copyOf(), Why: "blocked"})
	default:
		delete(e.tries, t.Kind)
		s.answer(e, t, nil)
		state := status.TaskDone
		if r.partial {
			state = status.TaskPartial
		}
		s.finish(e, t, state, "", r.text, now)
	}
}

// block takes from a sync what its backend waits for. The caller holds mu.
func (s *Service) block(e *entry, r result, mark string, now time.Time) {
	if r.blocked == "" {
		if r.err == nil {
			e.blocked = nil
		}
		return
	}
	since := now
	if e.blocked != nil && e.blocked.Mark == mark {
		since = e.blocked.Since
	}
	e.blocked = &plan.Blocked{Reason: r.blocked, Since: since, Until: now.Add(s.rules.BlockedRetry), Mark: mark, CIDs: r.awaits, Files: r.files}
	if a, failed := e.tries[status.KindPinSync]; failed {
		a.Class = "" // content that nobody has is no failure of the backend, whatever the try before was
		e.tries[status.KindPinSync] = a
	}
	s.tell(status.Event{Kind: status.BackendChanged, Backend: e.name, Why: r.blocked})
}

// answerFailed keeps a task that failed waiting for its next try as long as its mark stands, or a person's word whose
// work is not done; anything else failed for good, and is planned anew by its own rules.
func (s *Service) answerFailed(e *entry, t *task, r result, now time.Time, standing bool) {
	text := plainError(r.err)
	word := false
	s.answer(e, t, func(q request) bool {
		stays := !r.over && e.word(q)
		word = word || stays
		return stays
	})
	for i := range e.asked {
		q := &e.asked[i]
		q.tried = q.tried || q.Kind == t.Kind && q.after != t.ID
	}
	if !standing && !word {
		s.finish(e, t, status.TaskFailed, text, text, now)
		return
	}
	t.Error = text
	t.NextTry = s.rules.RetryAt(e.tries[t.Kind], e.tries[t.Kind].Mark, e.health.View().OpenUntil)
	t.logf(now, fmt.Sprintf("failed, next try %s: %s", t.NextTry.Format(time.RFC3339), text))
	s.tasks.setState(t, status.TaskWaitingRetry)
	s.tell(status.Event{Kind: status.TaskChanged, Backend: e.name, Task: t.copyOf(), Why: text})
}

// failTry counts a failure and says when the next try is. The caller holds mu.
func (s *Service) failTry(e *entry, kind, mark string, err error, now time.Time) {
	if e.tries == nil {
		e.tries = map[string]plan.Attempt{}
	}
	a := e.tries[kind]
	if a.Mark != mark {
		a.N = 0
	}
	a.N++
	a.Last, a.Mark, a.Error, a.Class = now, mark, firstLine(plainError(err)), ""
	if !backend.OfHome(err) { // a home that is full says nothing about the backend
		a.Class = string(backend.ClassOf(err))
	}
	a.Next = now.Add(s.rules.Backoff(e.name+kind, a.N))
	e.tries[kind] = a
}

// answer forgets the requests that a task served, but those that keep says go on. The caller holds mu.
func (s *Service) answer(e *entry, t *task, keep func(request) bool) {
	for _, id := range e.answer(t.Kind, t.ID, keep) {
		s.db.DropRequest(id)
	}
}

// finish ends a live task: it stays on the bus for five minutes and goes to
// the journal. The caller holds mu.
func (s *Service) finish(e *entry, t *task, state, errText, line string, now time.Time) {
	t.Finished, t.Error = now, errText
	t.NextTry, t.ExpectedEnd = time.Time{}, time.Time{}
	if state == status.TaskDone {
		t.Progress, t.ProgressValid = 1, true
	}
	if line != "" {
		t.logf(now, line)
	}
	s.tasks.setState(t, state)
	if e.live[t.Kind] == t {
		delete(e.live, t.Kind)
		if len(e.live) == 0 {
			e.live = nil // most backends have nothing to do most of the time
		}
	}
	if e.keptIDs[t.Kind] == t.ID {
		s.save(e) // its id must not be given again
	}
	if s.tasks.ended = append(s.tasks.ended, t); len(s.tasks.ended) == 1 {
		s.queue.SetWake(endedTasks, now.Add(forgetAfter))
	}
	if t.Kind == status.KindBackupBuckets && state == status.TaskDone && s.cat != nil {
		s.hist.Copies(now, uint64(len(s.cat.Buckets().List)))
	}
	switch state {
	case status.TaskDone, status.TaskPartial:
		s.complete++
	case status.TaskFailed:
		s.failed++
	}
	s.journalTask(t)
	s.tell(status.Event{Kind: status.TaskFinished, Backend: e.name, Task: t.copyOf(), Why: line})
}

// forgetEvery is the least time between two looks at which tasks leave the bus: with very many backends one ends each second.
const forgetEvery = 10 * time.Second

// forgetTasks takes tasks from the bus that ended five minutes ago. The caller holds mu.
func (s *Service) forgetTasks(now time.Time) {
	gone := s.tasks.forget(now.Add(-forgetAfter))
	for _, t := range gone {
		s.tell(status.Event{Kind: status.TaskForgotten, Backend: t.Backend, Task: t.copyOf()})
	}
	next := time.Time{}
	if len(s.tasks.ended) > 0 {
		next = s.tasks.ended[0].Finished.Add(forgetAfter)
		if soon := now.Add(forgetEvery); next.Before(soon) { // many ended one after the other
			next = soon
		}
	}
	s.queue.SetWake(endedTasks, next)
	if len(gone) > 0 {
		s.tell(status.Event{Kind: status.ManagerChanged}) // its next wake is another one
	}
}

// entryOf gives what a task needs of its backend.
func (s *Service) entryOf(name string) (*entry, error) {
	e, ok := s.entries[name]
	if !ok || e.cat == nil {
		return nil, &backend.Error{Class: backend.ClassConfiguration, Op: "use backend " + name, Err: errGone}
	}
	return e, nil
}
