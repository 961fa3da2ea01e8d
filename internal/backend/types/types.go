// Package types is the table of all types of backends: the one place that knows
// which folder of internal/backend serves which type.
package types

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/filesystem"
	"ipfskit.org/intelligent/internal/backend/ipfs"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
)

// Spec is a backend's configuration as the home has it.
type Spec struct {
	// Name of the backend.
	Name string
	// Type is the canonical name of the type, aliases resolved.
	Type string
	// RootPath is the absolute folder of a type that lies on a file system.
	RootPath string
	// Content is "records" where records of pins are wanted instead of their content; else empty or "content".
	Content string
	// String gives the first of the keys that is set, else "".
	String func(keys ...string) string
}

// OfRow is a backend that only a row of the registry names: its canonical type and its endpoint are all that is known.
func OfRow(name, typ, endpoint string) Spec {
	s := Spec{Name: name, Type: typ}
	if path := strings.TrimPrefix(endpoint, "file://"); filepath.IsAbs(path) {
		s.RootPath = path
	}
	s.String = func(keys ...string) string {
		for _, k := range keys {
			switch k {
			case "endpoint", "url", "api_url", "path", "base_path":
				return endpoint
			}
		}
		return ""
	}
	return s
}

// Deps are what adapters get from the service.
type Deps struct {
	// Clock of all that an adapter times.
	Clock clock.Clock
	// Lane is the backend's own; it outlives the adapter.
	Lane *backend.Lane
	// Credentials is the folder of the service's credentials, empty where it has none.
	Credentials string
	// Stall is the time without progress after which a transfer is given up; 0 means 5 minutes.
	Stall time.Duration
	// ProbeTimeout limits each call of a check; 0 means 30 seconds.
	ProbeTimeout time.Duration
	// WrapRoot, if set, stands between an adapter and its folder, for faults in tests.
	WrapRoot func(fsys.Root) fsys.Root
}

// family is what types have in common that one adapter serves.
type family struct {
	// open opens a backend for one task.
	open func(ctx context.Context, s Spec, d Deps) (backend.Adapter, error)
	// target is what the configuration points at, without secrets.
	target func(s Spec) string
	// transfers is how many calls of transfers may be outstanding, if limits.transfers does not say.
	transfers int
}

var (
	onFilesystem = family{open: openFilesystem, target: func(s Spec) string { return s.RootPath }, transfers: 1}
	onKubo       = family{open: openIPFS, target: func(s Spec) string { return ipfs.Target(ipfsConfig(s)) }, transfers: 4}
)

// table has one line for each type; aliases are resolved before.
var table = map[string]family{
	"filesystem": onFilesystem,
	"ipfs":       onKubo,
}

// ipfsConfig is the configuration without its secrets.
func ipfsConfig(s Spec) ipfs.Config {
	return ipfs.Config{
		Name: s.Name, API: s.String("api_url", "endpoint", "api_endpoint"),
		Username: s.String("username"), CAFile: s.String("ca_file"),
	}
}

func openIPFS(ctx context.Context, s Spec, d Deps) (backend.Adapter, error) {
	c := ipfsConfig(s)
	var err error
	if c.Token, err = s.secret(d.Credentials, "token", "auth_token"); err != nil {
		return nil, err
	}
	if c.Password, err = s.secret(d.Credentials, "password"); err != nil {
		return nil, err
	}
	a, err := ipfs.Open(ctx, c, ipfs.Deps{Clock: d.Clock, Lane: d.Lane, Stall: d.Stall, ProbeTimeout: d.ProbeTimeout})
	if err != nil {
		return nil, err
	}
	return a, nil
}

func openFilesystem(ctx context.Context, s Spec, d Deps) (backend.Adapter, error) {
	a, err := filesystem.Open(ctx,
		filesystem.Config{Name: s.Name, Path: s.RootPath, Content: s.Content},
		filesystem.Deps{Clock: d.Clock, Lane: d.Lane, WrapRoot: d.WrapRoot, Stall: d.Stall, ProbeTimeout: d.ProbeTimeout})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Has tells whether a type has an adapter.
func Has(typ string) bool { _, ok := table[typ]; return ok }

// Transfers is how many calls of transfers a backend's lane admits at once, where
// its limits do not say: 1 on file systems.
func Transfers(typ string) int { return max(1, table[typ].transfers) }

// Target tells what a configuration points at: type and place, without secrets.
// While it stays the same, what was stored is stored; a backend whose target
// changed is another one. It is not empty.
func Target(s Spec) string {
	f, ok := table[s.Type]
	if !ok {
		return s.Type + ":" + withoutUser(s.String("endpoint", "endpoint_url", "api_url", "hostname", "host"))
	}
	return s.Type + ":" + f.target(s)
}

// withoutUser takes user and password out of an address.
func withoutUser(address string) string {
	if _, rest, ok := strings.Cut(address, "@"); ok {
		return rest
	}
	return address
}

// Names lists the types that have an adapter, sorted.
func Names() []string {
	names := make([]string, 0, len(table))
	for n := range table {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Open opens a backend for one task. A type without an adapter, or settings that
// make no sense, are a *backend.Error of class configuration.
func Open(ctx context.Context, s Spec, d Deps) (backend.Adapter, error) {
	f, ok := table[s.Type]
	if !ok {
		return nil, &backend.Error{
			Class: backend.ClassConfiguration, Op: fmt.Sprintf("open backend %s", s.Name),
			Err:  fmt.Errorf("type %q has no adapter yet: %w", s.Type, errors.ErrUnsupported),
			Hint: "types that can be used: " + strings.Join(Names(), ", "),
		}
	}
	return f.open(ctx, s, d)
}
