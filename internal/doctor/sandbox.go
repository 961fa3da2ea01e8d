package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/systemd"
)

// sandbox looks for folders that the unit's sandbox hides or holds read-only: the
// home, the service's state, and the roots of backends.
func (v *visit) sandbox(ctx context.Context) {
	if v.unit == nil {
		return
	}
	b := v.unitBox()
	look := func(name, path string) {
		real, there := resolve(ctx, v.Options, path)
		why, named := b.hides(path, real, there)
		if why == "" {
			return
		}
		mend := systemd.LetWrite(real, v.System)
		if named {
			mend = systemd.StartAgain(v.System)
		}
		what := "the sandbox of the unit hides " + path
		if real != filepath.Clean(path) {
			what += ", which leads to " + real + ","
		}
		if name != path {
			what += " of backend " + name
		}
		v.add("path-hidden-by-sandbox", status.SeverityError, name, what, why, mend)
	}
	look(v.Paths.Home, v.Paths.Home)
	v.each(func(c *catalog.Backend) {
		if path := folderOf(c); path != "" {
			look(c.Name, path)
		}
	})
}

// resolve follows the links of a path as far as they can be seen, and tells whether it is there.
func resolve(ctx context.Context, o Options, path string) (real string, there bool) {
	real, err := bounded(ctx, o.Clock, cmp.Or(o.Probe, probeLimit), "resolve "+path, func() (string, error) {
		real := fsys.Resolve(path)
		_, err := os.Lstat(real)
		return real, err
	})
	return cmp.Or(real, path), err == nil
}

// folderOf is the root of a backend that is a folder, else empty.
func folderOf(b *catalog.Backend) string {
	if b.Config != nil && b.Config.Err == nil {
		return b.Config.RootPath()
	}
	return rowPath(b)
}

// box is the sandbox of the unit: as it is configured, and as it is for the process that runs.
type box struct {
	props map[string]string
	// own and inside are the mounts of this process and of the service's; nil when that does not run or can't be read.
	own, inside []fsys.Mount
}

func (v *visit) unitBox() box {
	b := box{props: v.unit.props}
	if v.unit.pid == "" {
		return b
	}
	inside, err := fsys.Mounts(v.unit.pid)
	if err != nil {
		return b
	}
	if own, err := fsys.Mounts("self"); err == nil {
		b.own, b.inside = own, inside
	}
	return b
}

// hides says why the service can't write a path that is written real without links;
// empty where it can. there: it is, so that its mount can be looked at. named: the unit
// lets it write there, and only the process that runs can't.
func (b box) hides(path, real string, there bool) (why string, named bool) {
	bound := b.bound(path) || b.bound(real)
	home := b.props["ProtectHome"]
	switch {
	case bound:
	case b.props["PrivateTmp"] == "yes" && fsys.BelowTemporary(real):
		return "PrivateTmp=yes: the service has a /tmp and a /var/tmp of its own", false
	case (home == "yes" || home == "tmpfs") && fsys.BelowHomes(real):
		return "ProtectHome=" + home + " hides all homes", false
	case !b.named(path) && !b.named(real):
		return fmt.Sprintf("ProtectSystem=%s, ProtectHome=%s, and no ReadWritePaths= of the unit names it", b.props["ProtectSystem"], home), false
	}
	hidden := func(in []fsys.Mount) bool { return fsys.Hidden(in, real) != "" || fsys.HeldReadOnly(in, real) }
	if there && b.inside != nil && hidden(b.inside) && !hidden(b.own) {
		return "it is named, but was not there when the service started, or the sandbox was another one then", true
	}
	return "", false
}

// bound tells whether the unit's BindPaths= put a path into the sandbox, as SOURCE:PLACE:OPTIONS.
func (b box) bound(path string) bool {
	for _, word := range words(b.props["BindPaths"]) {
		if parts := strings.Split(word, ":"); len(parts) > 1 && fsys.Below(parts[1], path) {
			return true
		}
	}
	return false
}

// named tells whether the unit's settings leave a path writable.
func (b box) named(path string) bool {
	for _, word := range words(b.props["ReadWritePaths"]) {
		if fsys.Below(strings.TrimLeft(word, "-+"), path) {
			return true
		}
	}
	switch b.props["ProtectSystem"] {
	case "strict":
		return fsys.Below("/dev", path) || fsys.Below("/proc", path) || fsys.Below("/sys", path)
	case "full", "yes":
		if fsys.Below("/usr", path) || fsys.Below("/boot", path) || b.props["ProtectSystem"] == "full" && fsys.Below("/etc", path) {
			return false
		}
	}
	return b.props["ProtectHome"] != "read-only" || !fsys.BelowHomes(path)
}
