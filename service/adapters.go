package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
)

// specOf says how a backend is opened: by its configuration, else by its
// registry row where type and endpoint suffice. The error says what is missing.
func specOf(b *catalog.Backend, homePath string) (types.Spec, error) {
	if c := b.Config; c != nil {
		if c.Err != nil {
			return types.Spec{}, misconfigured(b.Name, c.Err, mendFile(c))
		}
		return types.Spec{Name: b.Name, Type: c.Type, RootPath: c.RootPath(), Content: c.Content, String: c.String}, nil
	}
	if b.Row == nil {
		return types.Spec{}, misconfigured(b.Name, fmt.Errorf("only a dirty mark names it"),
			fmt.Sprintf("configure it in backends/%s.yaml, or remove its mark", b.Name))
	}
	if b.Row.Endpoint == "" {
		return types.Spec{}, misconfigured(b.Name, fmt.Errorf("it has no configuration, and its registry row has no endpoint"),
			fmt.Sprintf("configure it in backends/%s.yaml", b.Name))
	}
	spec := types.OfRow(b.Name, home.CanonicalType(b.Row.Type), b.Row.Endpoint)
	if spec.Type == home.TypeFilesystem {
		if err := home.CheckPlace(spec.RootPath, homePath); err != nil {
			return types.Spec{}, misconfigured(b.Name, err, fmt.Sprintf("configure it in backends/%s.yaml", b.Name))
		}
	}
	return spec, nil
}

func misconfigured(name string, err error, hint string) error {
	return &backend.Error{Class: backend.ClassConfiguration, Op: "use backend " + name, Err: err, Hint: hint}
}

// open opens a backend for one task.
func (s *Service) open(ctx context.Context, name string) (backend.Adapter, error) {
	s.mu.Lock()
	e, err := s.entryOf(name)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	spec, err := specOf(e.cat, s.opts.Paths.Home)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	lane := s.laneOf(e, spec)
	s.mu.Unlock()
	a, err := types.Open(ctx, spec, types.Deps{Clock: s.clk, Lane: lane, Credentials: s.opts.Paths.Credentials, Stall: s.config().Stall, WrapRoot: s.opts.WrapBackendRoot})
	if err != nil {
		return nil, s.notOpened(name, err)
	}
	return a, nil
}

// laneOf gives a backend its lane, which outlives tasks. The caller holds mu.
func (s *Service) laneOf(e *entry, spec types.Spec) *backend.Lane {
	if e.lane == nil {
		n := types.Transfers(spec.Type)
		if c := e.cat.Config; c != nil && c.Limits.Transfers > 0 {
			n = c.Limits.Transfers
		}
		e.lane = backend.NewLane(n, s.clk)
	}
	return e.lane
}

// mendFile is what to do about a configuration that can't be read.
func mendFile(c *home.Config) string {
	if errors.Is(c.Err, fs.ErrPermission) {
		return "let the user of the service read " + c.File
	}
	return "mend " + c.File
}
