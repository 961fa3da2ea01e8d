package service

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/home"
)

// A full disk has room again some time, and no other change may come for days.
func TestRegistryThatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	file := filepath.Join(w.home, "backend_index/backend_registry.parquet")
	if err := os.MkdirAll(file, 0o755); err != nil { // no file can be written over it
		t.Fatal(err)
	}
	log := logtest.NewLocal(w.o.Log)
	w.before = func(s *Service) { s.reg.retry = 100 * time.Millisecond }
	w.start()
	w.until("a try that failed", func() bool {
		return slices.ContainsFunc(log.AllEntries(), func(e *logrus.Entry) bool { return strings.Contains(e.Message, "could not bring the backend registry") })
	})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.until("the registry", func() bool { rows, err := w.s.home.ReadRegistry(t.Context()); return err == nil && len(rows) == 1 })
}

// What could not be written and what came meanwhile are written both.
func TestARegistryThatCouldNotBeWrittenForgetsNoColumn(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	file := filepath.Join(w.home, "backend_index/backend_registry.parquet")
	if err := os.MkdirAll(file, 0o755); err != nil {
		t.Fatal(err)
	}
	w.before = func(s *Service) { s.reg.retry = time.Hour }
	came := false
	w.o.WrapHomeRoot = func(r fsys.Root) fsys.Root {
		return faulty.Wrap(r, func(op, name string) error {
			if op == "open" && name == "backend_index/backend_registry.parquet" && w.s != nil {
				w.s.mu.Lock()
				defer w.s.mu.Unlock()
				if _, waits := w.s.reg.pending["x"]; !waits && !came {
					came = true
					w.s.reg.add(home.RegistryUpdate{Name: "x", Health: &home.RegistryHealth{Status: "healthy"}})
				}
			}
			return nil
		})
	}
	w.start()
	w.until("the home", func() bool { return w.s.Manager().Backends == 1 })
	no := false
	w.s.mu.Lock()
	came = false
	w.s.reg.add(home.RegistryUpdate{Name: "x", Dirty: &no})
	w.s.mu.Unlock()
	if w.s.reg.flush(t.Context()) {
		t.Fatal("it could be written")
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if u := w.s.reg.pending["x"]; u.Dirty == nil || u.Health == nil {
		t.Errorf("waits: %+v", u)
	}
}
