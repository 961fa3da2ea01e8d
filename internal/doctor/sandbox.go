package doctor

import (
	"context"
	"fmt"
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
		real, err := bounded(ctx, v.Clock, v.Probe, "resolve "+path, func() (string, error) { return filepath.EvalSymlinks(path) })
		there := err == nil
		if !there {
			real = path
		}
		why, named := b.hides(path, real, there)
		if why == "" {
			return
		}
		mend := systemd.LetWrite(path, v.System)
		if named {
			mend = systemd.StartAgain(v.System)
		}
		what := "the sandbox of the unit hides " + path
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
	switch {
	case b.props["PrivateTmp"] == "yes" && fsys.BelowTemporary(real):
		return "PrivateTmp=yes: the service has a /tmp and a /var/tmp of its own", false
	case b.props["ProtectHome"] == "yes" || b.props["ProtectHome"] == "tmpfs":
		if fsys.BelowHomes(real) {
			return "ProtectHome=" + b.props["ProtectHome"] + " hides all homes", false
		}
	}
	if !b.named(path) && !b.named(real) {
		return fmt.Sprintf("ProtectSystem=%s, ProtectHome=%s, and no ReadWritePaths= of the unit names it", b.props["ProtectSystem"], b.props["ProtectHome"]), false
	}
	if there && b.inside != nil && fsys.HeldReadOnly(b.inside, real) && !fsys.HeldReadOnly(b.own, real) {
		return "it is named, but was not there when the service started, or the sandbox was another one then", true
	}
	return "", false
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
