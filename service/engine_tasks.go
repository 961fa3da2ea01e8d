package service

import (
	"context"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// taskOf finds a task, and its backend as long as it lives. The caller holds mu.
func (s *Service) taskOf(id uint64) (*task, *entry, error) {
	t, ok := s.tasks.byID[id]
	if !ok {
		return nil, nil, status.Errorf(status.NoSuchTask, "there is no task %d; list them with: ipfs-kit-intelligent tasks", id)
	}
	if !t.live() {
		return t, nil, nil
	}
	return t, s.entries[t.Backend], nil
}

// CancelTask ends a task: one that runs at an item's border, one that waits at once.
func (s *Service) CancelTask(_ context.Context, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, e, err := s.taskOf(id)
	if err != nil {
		return err
	}
	if e == nil {
		return status.Errorf(status.NotCancelable, "task %d has ended (%s): there is nothing to cancel any more", id, t.State)
	}
	if t.cancel != nil {
		t.cancel(errCancelled)
		return nil
	}
	mark := ""
	if e.cat != nil && e.cat.Dirty != nil {
		mark = e.cat.Dirty.Version
	}
	now := s.clk.Now()
	if e.next[t.Kind] == t { // it follows one that runs, which goes on
		delete(e.next, t.Kind)
		for _, id := range e.answerAfter(t.Kind) {
			s.db.DropRequest(id)
		}
	} else {
		s.failTry(e, t.Kind, mark, errCancelled, now)
		s.answer(e, t, nil)
	}
	s.finish(e, t, status.TaskCancelled, errCancelled.Error(), "cancelled", now)
	s.look(e)
	s.save(e)
	return nil
}

// anew is what asks for a task like one that has ended; empty where one word is not enough.
func anew(t *task) string {
	const program = ": ipfs-kit-intelligent "
	switch t.Kind {
	case status.KindPinSync:
		return program + "sync --backend " + human.Shell(t.Backend)
	case status.KindHealthCheck:
		return program + "check " + human.Argument(t.Backend)
	case status.KindBackupBuckets, status.KindBackupMetadata:
		return program + "backup " + human.Argument(t.Backend)
	case status.KindVerify:
		return program + "verify " + human.Argument(t.Backend)
	}
	return ""
}

// RetryTask lets a task that waits go on now.
func (s *Service) RetryTask(_ context.Context, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, e, err := s.taskOf(id)
	if err != nil {
		return err
	}
	if e == nil {
		return status.Errorf(status.InvalidArgument, "task %d has ended (%s): ask for a new one%s", id, t.State, anew(t))
	}
	if a, ok := e.tries[t.Kind]; ok {
		a.Next = s.clk.Now()
		e.tries[t.Kind] = a
	}
	e.blocked = nil
	e.health.Reset()
	s.look(e)
	return nil
}
