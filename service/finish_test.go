package service

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// A home that is full, which keeps a mark from being cleared, is no trouble of the backend, whose checks disprove it.
func TestAHomeThatIsFullSaysNothingAboutTheBackend(t *testing.T) {
	s, err := New(t.Context(), newWorld(t).o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	for err, want := range map[error]bool{
		&backend.HomeError{Err: unix.ENOSPC}:                          false,
		&backend.Error{Class: backend.ClassQuota, Err: unix.ENOSPC}:   true,
		&backend.Error{Class: backend.ClassAuth, Err: unix.EACCES}:    true,
		&backend.Error{Class: backend.ClassNetwork, Err: unix.ESTALE}: false,
	} {
		e := &entry{name: "nas", cat: &catalog.Backend{Dirty: &home.Dirty{IsDirty: true}}}
		s.failTry(e, status.KindPinSync, "", err, s.clk.Now())
		if got := e.cantBeWritten(); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// Nor does a sync that only lacks content: what failed before it is over.
func TestASyncThatOnlyLacksContentEndsWhatFailedBefore(t *testing.T) {
	s, err := New(t.Context(), newWorld(t).o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.db.Close()
	e := &entry{name: "nas", cat: &catalog.Backend{Dirty: &home.Dirty{IsDirty: true}}}
	s.entries["nas"] = e
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failTry(e, status.KindPinSync, "", &backend.Error{Class: backend.ClassQuota, Err: unix.ENOSPC}, s.clk.Now())
	s.settle(e, &task{Task: status.Task{ID: 1, Kind: status.KindPinSync, Backend: "nas", State: status.TaskRunning}}, result{blocked: "no source for 1 pin"}, s.clk.Now())
	if e.cantBeWritten() || e.blocked == nil || e.tries[status.KindPinSync].N != 1 {
		t.Errorf("%v %+v %+v", e.cantBeWritten(), e.blocked, e.tries)
	}
}
