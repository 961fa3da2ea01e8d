package backend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"ipfskit.org/intelligent/internal/backend"
)

func TestClassOfTheOutermostErrorCounts(t *testing.T) {
	quota := &backend.Error{Class: backend.ClassQuota, Op: "write", Err: errDisk, Hint: "make room"}
	corrupt := &backend.CorruptError{What: "a", Err: quota}
	for name, tc := range map[string]struct {
		err   error
		class backend.Class
		stops bool
	}{
		"plain":                {errDisk, backend.ClassServer, true},
		"nil":                  {nil, backend.ClassServer, true},
		"classified":           {quota, backend.ClassQuota, true},
		"wrapped":              {fmt.Errorf("put: %w", quota), backend.ClassQuota, true},
		"joined":               {errors.Join(errDisk, quota), backend.ClassQuota, true},
		"corrupt":              {corrupt, backend.ClassContent, false},
		"corrupt in an error":  {&backend.Error{Class: backend.ClassServer, Op: "x", Err: corrupt}, backend.ClassServer, true},
		"of the source":        {&backend.SourceError{From: "b", Err: quota}, backend.ClassContent, false},
		"of a full home":       {fmt.Errorf("sync: %w", &backend.HomeError{Err: syscall.ENOSPC}), backend.ClassQuota, true},
		"of the home":          {&backend.HomeError{Err: quota}, backend.ClassServer, true},
		"source and then some": {fmt.Errorf("put: %w", errors.Join(&backend.SourceError{From: "b", Err: quota}, errDisk)), backend.ClassContent, false},
	} {
		if got := backend.ClassOf(tc.err); got != tc.class {
			t.Errorf("%s: class %s, want %s", name, got, tc.class)
		}
		if got := backend.StopsPass(tc.err); got != tc.stops {
			t.Errorf("%s: stops the pass: %v", name, got)
		}
	}
}

func TestWhoseTroubleItIs(t *testing.T) {
	ours, theirs := &backend.HomeError{Err: syscall.ENOSPC}, &backend.Error{Class: backend.ClassServer, Err: errDisk}
	for err, want := range map[error]bool{ours: true, fmt.Errorf("sync: %w", ours): true, errors.Join(theirs, ours): false, errDisk: false, theirs: false} {
		if backend.OfHome(err) != want {
			t.Errorf("%v is the home's: %v", err, !want)
		}
	}
	if !strings.Contains(ours.Error(), "make room on the disk of the home") {
		t.Error(ours)
	}
}

func TestMessagesSayWhatWhyAndWhatToDo(t *testing.T) {
	err := error(&backend.Error{Class: backend.ClassQuota, Op: "write x", Err: errDisk, Hint: "make room"})
	for _, part := range []string{"write x", "disk failed", "make room"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	err = &backend.SourceError{From: "backend b", Err: context.Canceled}
	if !strings.Contains(err.Error(), "backend b") || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := (&backend.CorruptError{What: "the CAR"}).Error(); got != "the CAR is damaged" {
		t.Errorf("got %q", got)
	}
}

func TestAHintFollowsACauseThatEndsWithAStop(t *testing.T) {
	err := &backend.Error{Op: "ask", Err: errors.New("401: not allowed."), Hint: "set token"}
	if err.Error() != "ask: 401: not allowed; set token" {
		t.Error(err)
	}
}
