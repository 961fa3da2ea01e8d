package service

import (
	"context"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/pinindex"
	"ipfskit.org/intelligent/internal/pinsync"
	"ipfskit.org/intelligent/internal/status"
)

// What is blocked for want of content is looked for again when a source may have come:
// a CAR in the home, a row in another backend's mapping, a backend that works again.

// sourceAppeared lets what is blocked for want of content be tried again.
func (s *Service) sourceAppeared() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lookForSources()
}

// lookForSources is sourceAppeared for who holds mu: also where one may have come unheard.
func (s *Service) lookForSources() {
	now := s.clk.Now()
	for _, e := range s.entries {
		if e.blocked != nil && now.Before(e.blocked.Until) {
			e.blocked.Until = now
			s.look(e)
		}
	}
}

// awaitedGap is the least time between two looks of one blocked backend at what others
// may have got: their mappings can change with every pin.
const awaitedGap = time.Minute

// awaitedCIDs is how many CIDs that no mark names are kept of one blocked backend.
const awaitedCIDs = 20

// awaitedFiles is how many files that a mapping names are looked for by one blocked backend,
// at the metadata reader's interval: each row may name another folder, too many to be heard of.
const awaitedFiles = 20

// fileLook is how long a look at one of them may take before its disk is taken for one that hangs, and at all of
// them together: disks that are slow to say no hold up nothing else that is to be read, and the rest has its turn next time.
const fileLook = 10 * time.Second

// lookForFiles lets those look again whose files have come: a disk with CARs was mounted.
func (s *Service) lookForFiles(ctx context.Context, beat func()) {
	s.mu.Lock()
	h, lanes, files := s.home, s.mapped, map[string][]string{}
	for _, name := range s.totals.blocked {
		if e := s.entries[name]; e.blocked != nil && len(e.blocked.Files) > 0 {
			files[name] = e.blocked.Files
		}
	}
	s.mu.Unlock()
	if h == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, fileLook)
	defer cancel()
	open := pinsync.InLane(lanes.of, fileLook, h.OpenCARPath)
	came := map[string]bool{} // several may wait for one
	for name, list := range files {
		for _, file := range list {
			there, known := came[file]
			if !known {
				beat()
				there = opens(ctx, open, file)
				came[file] = there
			}
			if ctx.Err() != nil {
				return
			}
			if there {
				s.mu.Lock()
				s.lookSoon(s.entries[name])
				s.mu.Unlock()
				break
			}
		}
	}
}

// opens tells whether a file is there for us; where it is not, the next try says why.
func opens(ctx context.Context, open pinsync.OpenCAR, file string) bool {
	f, _, err := open(ctx, file)
	if err != nil {
		return false
	}
	_ = f.Close() // only looked for
	return true
}

// awaited are the CIDs that blocked backends wait for.
type awaited struct {
	// by has the backends that wait for a CID, found those that wait for one that another has now.
	by    map[string][]string
	found map[string]bool
}

// awaits gathers what is waited for now.
func (s *Service) awaits() *awaited {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &awaited{by: map[string][]string{}, found: map[string]bool{}}
	for _, name := range s.totals.blocked {
		e := s.entries[name]
		if e.blocked == nil || e.cat == nil || e.cat.Dirty == nil {
			continue
		}
		for _, cid := range slices.Concat(e.cat.Dirty.CIDs, e.blocked.CIDs) { // one without CIDs asks for a whole comparison
			if by := a.by[cid]; len(by) == 0 || by[len(by)-1] != name { // both may have it, and thousands may wait for one
				a.by[cid] = append(by, name)
			}
		}
	}
	return a
}

// stored notes what a backend's mapping lists.
func (a *awaited) stored(backend string, rows []pinindex.Row) {
	if len(a.by) == 0 {
		return
	}
	for _, r := range rows {
		if r.Status != home.PinStored {
			continue
		}
		for _, name := range a.by[r.CID] {
			if name != backend {
				a.found[name] = true
			}
		}
	}
}

// lookSoon lets a blocked backend look for its content again, not twice in awaitedGap. The caller holds mu.
func (s *Service) lookSoon(e *entry) {
	if e == nil || e.blocked == nil {
		return
	}
	next := later(s.clk.Now(), e.blocked.Until.Add(awaitedGap-s.rules.BlockedRetry))
	if !next.Before(e.blocked.Until) {
		return
	}
	e.blocked.Until = next
	if t := e.live[status.KindPinSync]; t != nil && t.State == status.TaskBlocked {
		t.NextTry = next
	}
	s.look(e)
}

// worksAgain lets those look for content that may be on a backend which failed until now,
// all of them once for all that work again. The caller holds mu.
func (s *Service) worksAgain(e *entry) {
	if e.cat == nil || e.cat.Pins.Total == 0 || s.totals.blocked.count() == 0 {
		return
	}
	s.metaWant.sources = true
	s.kickMeta()
}

// lookForContent has all that is blocked look for its content again. The caller holds mu.
func (s *Service) lookForContent() {
	for _, name := range slices.Clone(s.totals.blocked) { // looking may change it
		s.lookSoon(s.entries[name])
	}
}
