package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

const (
	// many is from how many dirty backends on that is worth a word.
	many = 10
	// stuckAfter is how old the oldest mark may be while nothing is mended.
	stuckAfter = 10 * time.Minute
	// asked is how many CIDs of one backend are looked for.
	asked = 1000
)

// dirty tells load from trouble: whether what comes is mended.
func (v *visit) dirty(context.Context) {
	n := 0
	v.each(func(b *catalog.Backend) {
		if b.IsDirty() {
			n++
		}
	})
	if v.Service == nil {
		if n > 0 {
			v.add("dirty-unserved", status.SeverityWarning, "", human.Count(n, "dirty backend waits", "dirty backends wait"), "no service runs that would sync them", "ipfs-kit-intelligent start --detach")
		}
		return
	}
	m := v.Service.Manager
	if m.DirtyBackends < many {
		return
	}
	rates := fmt.Sprintf("%.1f a minute come and %.1f are mended, over the last five minutes; the oldest stands since %s", m.DirtyPerMinute, m.MendedPerMinute, m.OldestDirty.Local().Format("2006-01-02 15:04"))
	if !m.ExpectedClean.IsZero() {
		rates += "; at the rate of now all is clean at " + m.ExpectedClean.Local().Format("2006-01-02 15:04")
	}
	what := human.Count(m.DirtyBackends, "backend is dirty", "backends are dirty")
	switch {
	case m.Paused:
		v.add("dirty-many", status.SeverityWarning, "", what+", and the service is paused", rates, "ipfs-kit-intelligent resume")
	case m.MendedPerMinute == 0 && v.Clock.Now().Sub(m.OldestDirty) > stuckAfter:
		v.add("dirty-stuck", status.SeverityError, "", what+", and none is mended: that is trouble, not load", rates, "see why: ipfs-kit-intelligent status --state dirty; ipfs-kit-intelligent errors; ipfs-kit-intelligent tasks --state waiting_retry")
	case m.DirtyPerMinute > m.MendedPerMinute && m.ExpectedClean.IsZero(): // not a burst that came before, and goes
		v.add("dirty-growing", status.SeverityWarning, "", what+", and more come than are mended: that is load", rates, "let more run at once: limits.tasks in intelligent.yaml; or mark less often")
	default:
		v.add("dirty-many", status.SeverityInfo, "", what+", and they are being mended", rates, "wait: ipfs-kit-intelligent wait --for clean")
	}
}

// content looks for CIDs that a dirty backend wants and nobody here has. A
// running service has looked better: it asked the other backends.
func (v *visit) content(ctx context.Context) {
	mend := "put its CAR into " + filepath.Join(v.Paths.Home, home.CARFile("CID")) + ", bring a backend that has it back, or give it up: ipfs-kit-intelligent dismiss "
	if v.Service != nil {
		v.blocked(mend)
		return
	}
	var held map[string]bool
	found := v.said()
	v.each(func(b *catalog.Backend) {
		if ctx.Err() != nil || !b.IsDirty() || unusable(found, b.Name) {
			return
		}
		missing, first := 0, ""
		for _, cid := range b.Dirty.CIDs[:min(len(b.Dirty.CIDs), asked)] {
			if v.inHome(ctx, cid) {
				continue
			}
			if held == nil {
				held = v.mapped(ctx)
			}
			if !held[cid] {
				missing++
				first = cid
			}
		}
		if missing > 0 {
			v.add("content-without-source", status.SeverityWarning, b.Name, fmt.Sprintf("backend %s wants %s that nobody here has", b.Name, human.Count(missing, "CID", "CIDs")),
				"neither the home's cars nor any backend's mapping lists them, such as "+first, mend+b.Name)
		}
	})
}

// blocked tells what the service says that backends wait for.
func (v *visit) blocked(mend string) {
	found := v.said()
	for _, b := range v.Service.Blocked {
		if unusable(found, b.Name) || slices.ContainsFunc(found, func(f status.Finding) bool { return f.Code == "file-unreadable" && v.markOf(b.Name, f.Subject) }) {
			continue // that is what it waits for
		}
		if !status.WantsContent(b.Blocked) {
			v.add("sync-waits", status.SeverityWarning, b.Name, "backend "+b.Name+" is dirty, and its sync waits for a person", b.Blocked,
				status.MendBlocked(b.Name, b.Blocked))
			continue
		}
		v.add("content-without-source", status.SeverityWarning, b.Name, "backend "+b.Name+" waits for content that nobody here has", b.Blocked,
			"see which: ipfs-kit-intelligent sync --dry-run --backend "+human.Shell(b.Name)+"; "+mend+human.Argument(b.Name))
	}
}

// unusable tells whether a backend was found that nothing can be done with: its configuration is what it waits for.
func unusable(found []status.Finding, name string) bool {
	return slices.ContainsFunc(found, func(f status.Finding) bool {
		return f.Subject == name && (f.Code == "backend-misconfigured" || f.Code == "no-adapter")
	})
}

// markOf tells whether a file that can't be read is a mark of a backend.
func (v *visit) markOf(name, file string) bool {
	if v.cat == nil {
		return false
	}
	b, ok := v.cat.Get(name)
	return ok && b.Dirty != nil && slices.ContainsFunc(b.Dirty.Problems, func(p home.Problem) bool { return p.File == file })
}

// inHome tells whether the home has a CAR.
func (v *visit) inHome(ctx context.Context, cid string) bool {
	f, _, err := v.home.OpenCAR(ctx, cid)
	if err == nil {
		f.Close() //nolint:errcheck // only looked for
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// mapped are the CIDs that any mapping lists as stored, or with a CAR that is there.
func (v *visit) mapped(ctx context.Context) map[string]bool {
	out := map[string]bool{}
	v.each(func(b *catalog.Backend) {
		pins, err := v.home.ReadPins(ctx, b.Name)
		if err != nil {
			return // it is named as unreadable
		}
		for _, p := range pins {
			out[p.CID] = out[p.CID] || p.Status == home.PinStored || p.CARPath != "" && v.carThere(ctx, p.CARPath)
		}
	})
	return out
}

// carThere tells whether the file is there that a mapping names.
func (v *visit) carThere(ctx context.Context, path string) bool {
	f, err := bounded(ctx, v.Clock, v.Probe, "open "+path, func() (io.Closer, error) {
		f, _, err := v.home.OpenCARPath(ctx, path)
		return f, err
	})
	if err != nil {
		return false
	}
	f.Close() //nolint:errcheck // only looked for
	return true
}
