package service

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a crash left is removed by a later start; what is used now, and what is not ours, stays.
func TestWhatACrashLeftIsRemoved(t *testing.T) {
	state := t.TempDir()
	left, err := makeScratch(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := os.Chtimes(left, now, now.Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	used, err := makeScratch(state)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(state, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(other, now, now.Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := sweepScratch(state, now); err != nil {
		t.Fatal(err)
	}
	for path, stays := range map[string]bool{left: false, used: true, other: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := sweepScratch(filepath.Join(state, "absent"), now); err != nil {
		t.Error(err)
	}
}
