package service

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/health"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
)

// savedBackend is what survives a restart of a backend: what the home can't tell again.
type savedBackend struct {
	Target        string                  `json:"target,omitempty"`
	Since         time.Time               `json:"since"`
	Health        health.Snapshot         `json:"health"`
	Tries         map[string]plan.Attempt `json:"tries,omitempty"`
	Blocked       *plan.Blocked           `json:"blocked,omitempty"`
	Paused        bool                    `json:"paused,omitempty"`
	PausedUntil   time.Time               `json:"paused_until,omitzero"`
	IDs           map[string]uint64       `json:"ids,omitempty"`
	Sentinel      string                  `json:"sentinel,omitempty"`
	Moved         bool                    `json:"moved,omitempty"`
	LastSync      time.Time               `json:"last_sync,omitzero"`
	LastReconcile time.Time               `json:"last_reconcile,omitzero"`
	LastVerify    time.Time               `json:"last_verify,omitzero"`
	LastProof     time.Time               `json:"last_proof,omitzero"`
	Backups       map[string]backupState  `json:"backups,omitempty"`
	LastError     string                  `json:"last_error,omitempty"`
	Used          int64                   `json:"used,omitempty"`
	// Available is nil where it is not known.
	Available *int64 `json:"available,omitempty"`
}

// globalState is what survives a restart of the service as a whole.
const globalState = "\x00service"

type savedService struct {
	Paused     bool      `json:"paused,omitempty"`
	PausedTo   time.Time `json:"paused_to,omitzero"`
	StartedFor []string  `json:"started_for,omitempty"`
}

// idBlock is a block of ids that was reserved.
type idBlock struct{ next, end uint64 }

// recall reads back what was saved.
func (s *Service) recall(ctx context.Context) error {
	docs, err := s.db.Backends(ctx)
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	for name, doc := range docs {
		if name == globalState {
			var g savedService
			if json.Unmarshal(doc, &g) == nil {
				s.paused, s.pausedTo, s.startedFor = g.Paused, g.PausedTo, g.StartedFor
			}
			continue
		}
		var b savedBackend
		if json.Unmarshal(doc, &b) == nil {
			s.saved[name] = b
		}
	}
	counters, err := s.db.Counters(ctx)
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	s.complete, s.failed = counters["completed"], counters["failed"]
	list, err := s.db.Errors(ctx)
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	for _, e := range list {
		if len(s.errs[e.Backend]) < statedb.KeepErrors {
			s.errs[e.Backend] = append(s.errs[e.Backend], e)
		}
	}
	if err := s.recallRequests(ctx); err != nil {
		return errors.Join(err, s.db.Close())
	}
	if s.paused {
		s.queue.Pause(true)
		s.queue.SetWake(globalState, s.pausedTo)
	}
	return s.moreIDs(ctx)
}

func (s *Service) moreIDs(ctx context.Context) error {
	first, n, err := s.db.ReserveIDs(ctx)
	if err != nil {
		return err
	}
	s.ids = idBlock{first, first + n}
	return nil
}

// nextID gives a task its id: the one that it had before a restart, else a new
// one. The caller holds mu. A new block costs one write in a thousand tasks;
// where it can't be written, ids go on in memory: a full disk stops no sync.
func (s *Service) nextID(e *entry, kind string) uint64 {
	id, kept := e.ids[kind]
	delete(e.ids, kind)
	kept = kept && s.tasks.byID[id] == nil
	for _, r := range e.asked {
		if r.Kind == kind && s.tasks.byID[r.ID] == nil {
			if kept && r.ID != id {
				s.closeOld(e, kind, id, errNewer)
			}
			return r.ID
		}
	}
	if kept {
		return id
	}
	return s.freshID()
}

// closeOld ends a task of before a restart that will not be taken up. The caller holds mu.
func (s *Service) closeOld(e *entry, kind string, id uint64, why error) {
	now := s.clk.Now()
	t := s.newTask(e, id, plan.Want{Kind: kind, Priority: s.rules.Priority[plan.CauseAsked], Reason: "asked for", Asked: true}, now)
	s.finish(e, t, status.TaskCancelled, why.Error(), why.Error(), now)
}

func (s *Service) freshID() uint64 {
	if s.ids.next >= s.ids.end {
		if err := s.moreIDs(context.Background()); err != nil {
			s.log.WithError(err).Warn("ids of tasks could not be reserved; they may be used again after a restart")
			s.ids.end = s.ids.next + 1
		}
	}
	id := s.ids.next
	s.ids.next++
	return id
}

// recallEntry gives an entry what was saved of it.
func (s *Service) recallEntry(e *entry, b savedBackend) {
	e.target, e.since, e.health, e.tries = b.Target, b.Since, health.Load(b.Health), b.Tries
	e.blocked = b.Blocked
	e.paused, e.pausedUntil, e.ids, e.keptIDs, e.sentinel = b.Paused, b.PausedUntil, maps.Clone(b.IDs), b.IDs, b.Sentinel
	e.moved, e.lastSync, e.lastReconcile, e.lastProof, e.backups, e.lastError = b.Moved, b.LastSync, b.LastReconcile, b.LastProof, b.Backups, b.LastError
	e.lastVerify = later(b.LastVerify, b.LastProof) // earlier versions kept the one for both
	e.usage.UsedBytes = b.Used
	if b.Available != nil {
		e.usage.AvailableBytes = *b.Available
	}
	if s.failedByConfiguration(e) {
		e.health.Reset()
		e.tries = nil
	}
	delete(s.saved, e.name)
}

// failedByConfiguration tells whether what a backend failed with last may be mended by this start:
// the sandbox and the credentials of the unit are fixed when it begins. The caller holds mu.
func (s *Service) failedByConfiguration(e *entry) bool {
	return e.lastError != "" && slices.ContainsFunc(s.errs[e.name], func(x status.ErrorEntry) bool {
		return x.Message == e.lastError && x.Class == string(backend.ClassConfiguration)
	})
}

// save keeps what survives a restart of one backend. The caller holds mu.
func (s *Service) save(e *entry) {
	e.changed = false
	b := savedBackend{Target: e.target, Since: e.since, Health: e.health.Save(), Tries: e.tries, Paused: e.paused, PausedUntil: e.pausedUntil,
		Sentinel: e.sentinel, Moved: e.moved, LastSync: e.lastSync, LastReconcile: e.lastReconcile, LastVerify: e.lastVerify, LastProof: e.lastProof, Backups: e.backups, LastError: e.lastError,
		Used: e.usage.UsedBytes}
	if e.usage.AvailableBytes >= 0 {
		b.Available = &e.usage.AvailableBytes
	}
	b.Blocked = e.blocked
	b.IDs = maps.Clone(e.ids) // of what is not wanted yet: the home may not be readable now
	for kind, t := range e.live {
		if b.IDs == nil {
			b.IDs = map[string]uint64{}
		}
		b.IDs[kind] = t.ID
	}
	e.keptIDs = b.IDs
	if err := s.db.SaveBackend(e.name, b); err != nil {
		s.log.WithError(err).Warn("what is known of a backend could not be kept")
	}
}

// saveChanged keeps what changed since it was saved last. The caller holds mu.
func (s *Service) saveChanged() {
	for _, e := range s.entries {
		if e.changed {
			s.save(e)
		}
	}
}

// saveAll keeps everything at the end. The caller holds mu.
func (s *Service) saveAll() {
	s.saveChanged()
	s.db.SaveCounter("completed", s.complete)
	s.db.SaveCounter("failed", s.failed)
}

// saveService keeps what survives of the service as a whole. The caller holds mu.
func (s *Service) saveService() {
	if err := s.db.SaveBackend(globalState, savedService{s.paused, s.pausedTo, slices.Concat(s.startedFor, s.endsFor)}); err != nil {
		s.log.WithError(err).Warn("what the service is to remember could not be kept")
	}
}

// recallRequests reads what people asked for before a restart.
func (s *Service) recallRequests(ctx context.Context) error {
	list, err := s.db.Requests(ctx)
	for _, r := range list {
		q := request{ID: r.ID, Kind: r.Kind}
		if json.Unmarshal(r.Body, &q) == nil {
			s.requests[r.Backend] = append(s.requests[r.Backend], q)
		}
	}
	return err
}

// takeUp has an entry serve what was asked of it before a restart, under the id that was
// promised. Of several of a kind the last one does what the others ask for too. The caller holds mu.
func (s *Service) takeUp(e *entry) {
	list := s.requests[e.name]
	delete(s.requests, e.name)
	for i, q := range list {
		if slices.ContainsFunc(list[i+1:], func(later request) bool { return later.Kind == q.Kind }) {
			s.closeOld(e, q.Kind, q.ID, errNewer)
			s.db.DropRequest(q.ID)
			continue
		}
		e.asked = append(e.asked, q)
	}
}

// journalTask keeps a finished task, and forgets what was asked for with it. The caller holds mu.
func (s *Service) journalTask(t *task) {
	s.db.SaveTask(t.copyOf())
	s.db.SaveCounter("completed", s.complete)
	s.db.SaveCounter("failed", s.failed)
}

// journalRequests writes down what is asked of backends before it is answered.
func (s *Service) journalRequests(ctx context.Context, picked []*entry, reqs []request, now time.Time) error {
	rows := make([]statedb.Request, len(reqs))
	for i, r := range reqs {
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		rows[i] = statedb.Request{ID: r.ID, Kind: r.Kind, Backend: picked[i].name, Created: now, Body: body}
	}
	return s.db.AddRequests(ctx, rows...)
}

// noteError counts one kind of trouble; of too many the one that was not seen for the longest time goes. The caller holds mu.
func (s *Service) noteError(name, class, message string, now time.Time) {
	list := s.errs[name]
	for i := range list {
		if list[i].Class == class && list[i].Message == message {
			list[i].Last = now
			list[i].Count++
			s.db.SaveError(list[i])
			return
		}
	}
	entry := status.ErrorEntry{Backend: name, Class: class, Message: message, First: now, Last: now, Count: 1}
	s.db.SaveError(entry)
	if len(list) < statedb.KeepErrors {
		s.errs[name] = append(list, entry)
		return
	}
	oldest := 0
	for i := range list {
		if list[i].Last.Before(list[oldest].Last) {
			oldest = i
		}
	}
	list[oldest] = entry
}
