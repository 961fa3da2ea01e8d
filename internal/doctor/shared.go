package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// folderID tells folders apart, whatever paths, links and bind mounts lead to them.
type folderID struct{ device, inode uint64 }

// lineage is a folder and all those above it; nil where one of them can't be looked at.
func lineage(path string) []folderID {
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	var out []folderID
	for {
		fi, err := os.Stat(dir)
		if err != nil {
			return nil
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		out = append(out, folderID{uint64(st.Dev), st.Ino}) //nolint:unconvert // its type is another one elsewhere
		up := filepath.Dir(dir)
		if up == dir {
			return out
		}
		dir = up
	}
}

// shared finds backends whose folder is that of another one, or lies in it. Each is told
// once, with the first by name that has the folder, or the nearest one around it. Nor can
// one have the home's, whose cars and backups it would take for its own.
func (v *visit) shared(ctx context.Context) {
	own, err := bounded(ctx, v.Clock, v.Probe, "look at "+v.Paths.Home, func() ([]folderID, error) { return lineage(v.Paths.Home), nil })
	first := map[folderID]*catalog.Backend{}
	v.each(func(b *catalog.Backend) {
		l := v.lineageOf(b)
		if l == nil {
			return
		}
		if err == nil && own != nil && l[0] == own[0] {
			v.add("shared-root", status.SeverityError, b.Name, "the folder of backend "+b.Name+" is the home itself",
				folderOf(b)+" leads to "+v.Paths.Home+": its cars and backups would be taken for the backend's", "make a folder on another disk, and name it in "+v.fileOf(b))
			return
		}
		if other := first[l[0]]; other != nil {
			v.sameFolder(other, b)
			return
		}
		first[l[0]] = b
	})
	v.each(func(b *catalog.Backend) {
		l := v.lineageOf(b)
		if l == nil || first[l[0]] != b {
			return
		}
		for _, id := range l[1:] {
			if around := first[id]; around != nil {
				v.nestedFolder(around, b)
				return
			}
		}
	})
}

// sharedNode finds backends that are one and the same node: each CID is pinned there once.
func (v *visit) sharedNode(context.Context) {
	first := map[string]*catalog.Backend{}
	v.each(func(b *catalog.Backend) {
		c := b.Config
		if c == nil || c.Err != nil || c.Type == home.TypeFilesystem || !types.Has(c.Type) {
			return
		}
		target := types.Target(types.Spec{Name: b.Name, Type: c.Type, Content: c.Content, String: c.String})
		place := strings.TrimPrefix(target, c.Type+":")
		if place == "" {
			return // an address that makes no sense is nobody's; that is told
		}
		other := first[target]
		if other == nil {
			first[target] = b
			return
		}
		v.add("shared-node", status.SeverityError, b.Name, fmt.Sprintf("backends %s and %s are one and the same node", other.Name, b.Name),
			"both are at "+place+": one copy counts as two, and what is unpinned from one is gone from the other",
			fmt.Sprintf("say enabled: false in %s or in %s, and have one backend less", v.fileOf(b), v.fileOf(other)))
	})
}

func (v *visit) lineageOf(b *catalog.Backend) []folderID {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lineages[b.Name]
}

func (v *visit) sameFolder(a, b *catalog.Backend) {
	why := fmt.Sprintf("%s of %s leads to %s of %s", folderOf(b), b.Name, folderOf(a), a.Name)
	if filepath.Clean(folderOf(a)) == filepath.Clean(folderOf(b)) {
		why = "both are at " + folderOf(a)
	}
	v.add("shared-root", status.SeverityError, b.Name, fmt.Sprintf("backends %s and %s have one and the same folder", a.Name, b.Name),
		why+": one copy counts as two, and what is unpinned from one is gone from the other", v.ownFolder(a, b))
}

func (v *visit) nestedFolder(around, b *catalog.Backend) {
	v.add("shared-root", status.SeverityWarning, b.Name, fmt.Sprintf("the folder of backend %s lies in that of %s", b.Name, around.Name),
		fmt.Sprintf("%s is inside of %s: both copies are on one disk, and who empties the outer one takes both", folderOf(b), folderOf(around)), v.ownFolder(around, b))
}

// ownFolder says how one of two backends gets a folder of its own.
func (v *visit) ownFolder(a, b *catalog.Backend) string {
	return fmt.Sprintf("make a folder on another disk, and name it in %s or in %s; or say enabled: false in one of them, and have one backend less", v.fileOf(b), v.fileOf(a))
}

// fileOf is where a backend is configured, or would be.
func (v *visit) fileOf(b *catalog.Backend) string {
	if b.Config != nil {
		return filepath.Join(v.Paths.Home, b.Config.File)
	}
	return filepath.Join(v.Paths.Home, home.BackendsDir, b.Name+".yaml")
}
