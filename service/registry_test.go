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
