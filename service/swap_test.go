package service

import (
	"os"
	"testing"
)

func TestAHomeThatWasReplacedIsServed(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	cid := w.car(1)
	w.mark("nas", cid)
	if err := os.MkdirAll(w.o.Paths.Config[0], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.o.Paths.Config[0]+"/intelligent.yaml", []byte("intervals: {dirty: 1s}"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := w.home + "-new"
	if err := os.CopyFS(other, os.DirFS(w.home)); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.until("cleared", func() bool { return w.cleared("nas") && !w.dirty("nas") })
	if err := os.Rename(w.home, w.home+"-old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, w.home); err != nil {
		t.Fatal(err)
	}
	w.until("the new home's mark cleared", func() bool { return w.cleared("nas") })
}
