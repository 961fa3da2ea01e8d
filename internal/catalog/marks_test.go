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
