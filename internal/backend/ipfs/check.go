package ipfs

import (
	"context"
	"fmt"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/human"
)

// scarce is the share of room in percent below which the node counts as nearly full.
const scarce = 5

// Check asks for the node's identity, version and room.
func (a *Adapter) Check(ctx context.Context) (backend.Health, error) {
	begin := a.deps.Clock.Now()
	if _, err := a.peerID(ctx, true); err != nil {
		return backend.Health{}, err
	}
	latency := a.deps.Clock.Now().Sub(begin)
	var version struct{ Version string }
	if err := a.rpc.ask(ctx, request{op: "ask for the version", path: "version", probe: true}, &version); err != nil {
		return backend.Health{}, err
	}
	repo, err := a.repoStat(ctx, true)
	if err != nil {
		return backend.Health{}, err
	}
	h := backend.Health{Latency: latency, Version: version.Version, Usage: repo.usage(), Pins: -1}
	if tooOld(version.Version) {
		h.Degraded = fmt.Sprintf("Kubo %s has no names for pins, so that ours can't be told from those of others: update it to 0.27 or newer", version.Version)
	}
	if repo.StorageMax > 0 && h.Usage.AvailableBytes < repo.StorageMax/100*scarce {
		h.Degraded = fmt.Sprintf("its repository is nearly full: %s of %s are used; collect garbage or raise Datastore.StorageMax",
			human.Bytes(repo.RepoSize), human.Bytes(repo.StorageMax))
	}
	return h, nil
}

// tooOld tells whether a version is older than names of pins.
func tooOld(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && major == 0 && minor < 27
}

// peerID is the node's identity.
func (a *Adapter) peerID(ctx context.Context, probe bool) (string, error) {
	var id struct{ ID string }
	const op = "ask for the node's identity"
	if err := a.rpc.ask(ctx, request{op: op, path: "id", probe: probe}, &id); err != nil {
		return "", err
	}
	if id.ID == "" {
		return "", notKubo(op, fmt.Errorf("it has none"))
	}
	return id.ID, nil
}

type repoStat struct{ RepoSize, StorageMax int64 }

// usage is what the node may use by its own configuration; its disk may have less room.
func (r repoStat) usage() backend.Usage {
	u := backend.Usage{UsedBytes: r.RepoSize, AvailableBytes: -1}
	if r.StorageMax > 0 {
		u.AvailableBytes = max(0, r.StorageMax-r.RepoSize)
	}
	return u
}

func (a *Adapter) repoStat(ctx context.Context, probe bool) (repoStat, error) {
	var r repoStat
	// Counting the blocks would walk the whole repository.
	err := a.rpc.ask(ctx, request{op: "ask for room", path: "repo/stat", args: map[string][]string{"size-only": {"true"}}, probe: probe}, &r)
	return r, err
}

// Usage is that of the whole repository, whoever filled it.
func (a *Adapter) Usage(ctx context.Context) (backend.Usage, error) {
	r, err := a.repoStat(ctx, false)
	if err != nil {
		return backend.Usage{}, err
	}
	return r.usage(), nil
}

// Sentinel is made of the node's peer ID, which it keeps as long as its repository.
func (a *Adapter) Sentinel(ctx context.Context) (backend.Sentinel, error) {
	id, err := a.peerID(ctx, false)
	if err != nil {
		return backend.Sentinel{}, err
	}
	return backend.Sentinel{ID: id, Backend: a.cfg.Name}, nil
}

// WriteSentinel accepts the identity that the node has; another can't be given to it: ErrUnsupported.
func (a *Adapter) WriteSentinel(ctx context.Context, s backend.Sentinel) error {
	id, err := a.peerID(ctx, false)
	if err != nil {
		return err
	}
	if s.ID != id {
		return fmt.Errorf("give the node %s another identity: %w", id, backend.ErrUnsupported)
	}
	return nil
}

// Objects is nil: the node keeps content, not names.
func (a *Adapter) Objects() backend.ObjectStore { return nil }

// Sweep does nothing: what an import left unpinned is the node's to collect.
func (a *Adapter) Sweep(ctx context.Context) error { return ctx.Err() }
