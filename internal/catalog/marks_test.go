package catalog

import (
	"context"
	"testing"

	"ipfskit.org/intelligent/internal/home"
)

// slowMarks answers the first reading of marks last.
type slowMarks struct {
	Source
	first chan *home.Dirty
	began chan struct{}
}

func (s *slowMarks) ReadDirty(context.Context, string) (*home.Dirty, error) {
	select {
	case s.began <- struct{}{}:
		return <-s.first, nil
	default:
		return &home.Dirty{Backend: "nas", IsDirty: true, Version: "after"}, nil
	}
}

func TestASlowReadingOfMarksDoesNotHideANewerOne(t *testing.T) {
	src := &slowMarks{first: make(chan *home.Dirty), began: make(chan struct{}, 1)}
	c := New(src)
	done := make(chan error)
	go func() {
		_, err := c.RefreshMark(t.Context(), "nas")
		done <- err
	}()
	for len(src.began) == 0 { // the first one reads
		select {
		case <-t.Context().Done():
			t.Fatal("it does not begin")
		default:
		}
	}
	if changed, err := c.RefreshMark(t.Context(), "nas"); !changed || err != nil {
		t.Fatal(changed, err)
	}
	src.first <- &home.Dirty{Backend: "nas", Version: "before"}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if b, ok := c.Get("nas"); !ok || !b.IsDirty() || b.Dirty.Version != "after" {
		t.Errorf("an older reading won: %+v", b)
	}
}

// marksOf gives the marks that a test sets.
type marksOf struct {
	Source
	d *home.Dirty
}

func (m *marksOf) ReadDirty(context.Context, string) (*home.Dirty, error) { return m.d, nil }

// Python writes marks in place: half of one that is known says nothing yet, and is looked at again.
func TestHalfOfAKnownMarkIsNoWordThatItIsClean(t *testing.T) {
	src := &marksOf{d: &home.Dirty{Backend: "nas", IsDirty: true, Unsynced: 2, Actions: 2, Version: "whole"}}
	c := New(src)
	refresh := func() *Backend {
		t.Helper()
		if _, err := c.RefreshMark(t.Context(), "nas"); err != nil {
			t.Fatal(err)
		}
		b, _ := c.Get("nas")
		return b
	}
	refresh()
	src.d = &home.Dirty{Backend: "nas", Settling: true, Version: "half"}
	if b := refresh(); b == nil || !b.IsDirty() || !b.Dirty.Settling || b.Dirty.Unsynced != 2 {
		t.Errorf("%+v", b)
	}
	src.d = &home.Dirty{Backend: "nas", Version: "gone"}
	if b := refresh(); b != nil {
		t.Errorf("a mark that is gone stays: %+v", b)
	}
}

// Nothing else may name a backend whose first mark is torn, or whose clean mark's actions are counted.
func TestATornMarkAndACleanOneAreKept(t *testing.T) {
	for what, d := range map[string]*home.Dirty{"torn": {Settling: true}, "clean": {Actions: 1}} {
		c := New(&marksOf{d: d})
		if _, err := c.RefreshMark(t.Context(), "nas"); err != nil {
			t.Fatal(err)
		}
		if b, ok := c.Get("nas"); !ok || b.Counted() {
			t.Errorf("%s: %+v", what, b)
		}
	}
}

func TestAMarkThatCantBeReadIsAProblemOfTheHome(t *testing.T) {
	src := &marksOf{d: &home.Dirty{IsDirty: true, Problems: []home.Problem{{File: "torn"}}}}
	c := New(src)
	for _, want := range []int{1, 0} {
		if _, err := c.RefreshMark(t.Context(), "nas"); err != nil {
			t.Fatal(err)
		}
		if got := c.Problems(); len(got) != want {
			t.Errorf("%v", got)
		}
		src.d = &home.Dirty{}
	}
}

// Anybody who may ask for a sync may name any backend: nothing stays of names that are none.
func TestNothingIsKeptOfNamesThatAreNone(t *testing.T) {
	c := New(&marksOf{d: &home.Dirty{}})
	for _, name := range []string{"a", "b", "c"} {
		if changed, err := c.RefreshMark(t.Context(), name); changed || err != nil {
			t.Fatal(changed, err)
		}
	}
	if len(c.newest) > 0 {
		t.Errorf("kept: %v", c.newest)
	}
}
