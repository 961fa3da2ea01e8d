package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/systemd"
)

// In the unit's sandbox (hardened.conf) only the folders that it names can be
// written, and the kernel fixes that at the start: one that was not there then is
// read-only when it comes. A new start mends that of a folder that came, and of one
// that the unit names, tried once; any other is not named, which a person must mend.

// upFirst is how long the service runs before it ends itself: folders that come
// one after another must not make so many starts that systemd gives up (five a minute).
const upFirst = 15 * time.Second

// unitMounts gives the mounts of this process, where it runs in a unit's sandbox; else nil.
func unitMounts(getenv func(string) string) func() ([]fsys.Mount, error) {
	if getenv("INVOCATION_ID") == "" {
		return nil // nobody would start it again
	}
	read := func() ([]fsys.Mount, error) { return fsys.Mounts("self") }
	mounts, err := read()
	if err != nil || !fsys.HeldReadOnly(mounts, "/") {
		return nil
	}
	return read
}

// sawAbsent remembers that a folder was not there while this process ran.
func (s *Service) sawAbsent(path string) {
	if s.opts.Mounts == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent[path] = true
}

// held says why a folder that is there can't be written: nil unless the sandbox
// holds it. Where a new start helps, the service is asked to end, to be started again.
func (s *Service) held(ctx context.Context, path string) error {
	if s.opts.Mounts == nil {
		return nil
	}
	mounts, err := s.opts.Mounts()
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if !fsys.HeldReadOnly(mounts, real) {
		s.writable(path)
		return nil
	}
	helps, came := s.startHelps(ctx, path, real)
	if !helps {
		return &backend.Error{Class: backend.ClassConfiguration, Op: "write to " + path, Hint: systemd.LetWrite(real, s.opts.System),
			Err: fmt.Errorf("%s is read-only in the sandbox of the unit", path)}
	}
	again := &status.StartAgainError{Folder: path, Named: !came}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.startedFor, path) && !slices.Contains(s.endsFor, path) {
		s.endsFor = append(s.endsFor, path)
		s.saveService()
	}
	s.trouble["sandbox"] = again.Error()
	s.tell(status.Event{Kind: status.ManagerChanged})
	select {
	case s.again <- again:
	default: // another folder was faster, and one start serves both
	}
	return again
}

// writable forgets what was wrong with a folder.
func (s *Service) writable(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.absent, path)
	if slices.Contains(s.startedFor, path) || slices.Contains(s.endsFor, path) {
		is := func(f string) bool { return f == path }
		s.startedFor, s.endsFor = slices.DeleteFunc(s.startedFor, is), slices.DeleteFunc(s.endsFor, is)
		s.saveService()
	}
}

// startHelps tells whether a new start lets a folder be written that the sandbox holds,
// and whether it came while this process ran. One that the unit names may have come
// between the making of the sandbox and the first look; that is tried once, because
// what else may hold it would hold it again.
func (s *Service) startHelps(ctx context.Context, path, real string) (helps, came bool) {
	s.mu.Lock()
	came, tried := s.absent[path], slices.Contains(s.startedFor, path) || s.trouble["state"] != ""
	s.mu.Unlock()
	if came || tried || s.opts.Named == nil {
		return came, came
	}
	folders, err := s.opts.Named(ctx)
	if err != nil {
		s.log.WithError(err).Warn("the service manager could not be asked which folders the unit names")
		return false, false
	}
	return slices.ContainsFunc(folders, func(f string) bool { return fsys.Below(f, path) || fsys.Below(f, real) }), false
}

// hidden makes of an error that a folder is forbidden or not there one that says that
// the unit's sandbox hides it, where that is so.
func (s *Service) hidden(path string, err error) error {
	if s.opts.Mounts == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	mounts, merr := s.opts.Mounts()
	if merr != nil {
		return err
	}
	real := fsys.Resolve(path)
	setting := fsys.Hidden(mounts, real)
	if setting == "" {
		return err
	}
	what := path
	if real != filepath.Clean(path) {
		what += ", which leads to " + real + ","
	}
	return &backend.Error{Class: backend.ClassConfiguration, Op: "open " + path, Hint: systemd.LetWrite(real, s.opts.System),
		Err: fmt.Errorf("%s is hidden by the sandbox of the unit (%s)", what, setting)}
}

// openToWrite opens a backend for a task that writes, or that says whether it could.
func (s *Service) openToWrite(ctx context.Context, name string) (backend.Adapter, error) {
	a, err := s.open(ctx, name)
	if err != nil || s.opts.Mounts == nil {
		return a, err
	}
	s.mu.Lock()
	e := s.entries[name]
	if e == nil || e.cat == nil || e.lane == nil || !isFilesystem(e.cat.Type()) {
		s.mu.Unlock()
		return a, nil
	}
	path, lane := e.cat.Endpoint(), e.lane
	s.mu.Unlock()
	err = lane.Probe(ctx, "look at the mount of "+path, s.config().Stall, func() error { return s.held(ctx, path) })
	if err == nil {
		return a, nil
	}
	var again *status.StartAgainError
	if errors.As(err, &again) {
		s.mu.Lock()
		e.tries = nil // what failed while the folder was away says nothing about the next start
		e.health.Reset()
		s.mu.Unlock()
	}
	return nil, errors.Join(err, a.Close())
}

// notOpened is what is said of a backend that could not be opened: its folder is not
// there, which is remembered, or the sandbox hides it.
func (s *Service) notOpened(name string, err error) error {
	s.mu.Lock()
	path := ""
	if e := s.entries[name]; e != nil && e.cat != nil && isFilesystem(e.cat.Type()) {
		path = e.cat.Endpoint()
	}
	s.mu.Unlock()
	if path == "" {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		s.sawAbsent(path)
	}
	return s.hidden(path, err)
}

// startAgain ends the service when a folder came that its sandbox holds.
func (s *Service) startAgain(ctx context.Context, end context.CancelCauseFunc) {
	var again *status.StartAgainError
	select {
	case <-ctx.Done():
		return
	case again = <-s.again:
	}
	t := s.clk.NewTimer(s.started.Add(upFirst).Sub(s.clk.Now()))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return
	case <-t.C:
	}
	s.log.WithField(logging.FieldMessageID, logging.IDSandbox).Warn(again.Error())
	end(again)
}
