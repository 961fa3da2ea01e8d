package fsys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Mount is a line of mountinfo.
type Mount struct {
	// Point is the absolute path where it is mounted.
	Point string
	// Root is the path on its file system that is seen there, "/" for all of it.
	Root string
	// ReadOnly is the mount's own flag, FileSystemReadOnly that of the file system
	// beneath it. The kernel sets the former alone where a sandbox or a bind mount forbids writing.
	ReadOnly, FileSystemReadOnly bool
	// Type of the file system.
	Type string
}

// Mounts are the mounts that a process sees, in their order: a later one at the
// same path covers the earlier. process is a number, or "self".
func Mounts(process string) ([]Mount, error) {
	data, err := os.ReadFile("/proc/" + process + "/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the mounts of process %s: %w", process, err)
	}
	return parseMounts(data), nil
}

// parseMounts skips lines that it does not understand.
func parseMounts(data []byte) []Mount {
	var out []Mount
	for line := range bytes.Lines(data) {
		before, after, ok := strings.Cut(string(line), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 3 {
			continue
		}
		out = append(out, Mount{Point: unescape.Replace(left[4]), Root: unescape.Replace(left[3]), Type: right[0],
			ReadOnly:           slices.Contains(strings.Split(left[5], ","), "ro"),
			FileSystemReadOnly: slices.Contains(strings.Split(right[2], ","), "ro")})
	}
	return out
}

// unescape reads the characters that mountinfo writes in octal.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// MountOf is the mount that a path without links lies on.
func MountOf(mounts []Mount, name string) (Mount, bool) {
	name = path.Clean(name)
	var best Mount
	found := false
	for _, m := range mounts {
		if Below(m.Point, name) && len(m.Point) >= len(best.Point) {
			best, found = m, true
		}
	}
	return best, found
}

// HeldReadOnly tells whether a path can't be written though its file system could be: a sandbox holds it.
func HeldReadOnly(mounts []Mount, name string) bool {
	m, ok := MountOf(mounts, name)
	return ok && m.ReadOnly && !m.FileSystemReadOnly
}

// Hidden names the setting of a unit that puts something else in the place of a path,
// so that it can't be seen whatever lies there; empty where none does. The marks are
// systemd's: folders that nobody may read, an empty read-only file system, a /tmp of its own.
func Hidden(mounts []Mount, name string) string {
	m, ok := MountOf(mounts, name)
	switch {
	case !ok:
	case strings.Contains(m.Root, "/systemd/inaccessible/") && BelowHomes(name):
		return "ProtectHome=yes"
	case strings.Contains(m.Root, "/systemd/inaccessible/"):
		return "InaccessiblePaths="
	case m.Type == "tmpfs" && m.ReadOnly && BelowHomes(m.Point):
		return "ProtectHome=tmpfs"
	case strings.Contains(m.Root, "/systemd-private-") && BelowTemporary(name):
		return "PrivateTmp=yes"
	}
	return ""
}

// maxLinks is how many links one path may go through, as for the kernel.
const maxLinks = 40

// Resolve gives an absolute path without links as far as it can be seen: what lies behind
// a folder that is hidden, forbidden or not there stays as it is written. It can hang where the path does.
func Resolve(name string) string {
	done, rest := "/", strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		to, err := os.Readlink(next)
		switch {
		case err == nil && links < maxLinks:
			links++
			if path.IsAbs(to) {
				done = "/"
			}
			rest = append(strings.Split(to, "/"), rest...)
		case err == nil, errors.Is(err, syscall.EINVAL): // no link
			done = next
		default:
			return path.Join(next, path.Join(rest...))
		}
	}
	return done
}

// BelowHomes tells whether ProtectHome= of a unit is about an absolute path.
func BelowHomes(name string) bool {
	return Below("/home", name) || Below("/root", name) || Below("/run/user", name)
}

// BelowTemporary tells whether PrivateTmp= of a unit is about an absolute path.
func BelowTemporary(name string) bool { return Below("/tmp", name) || Below("/var/tmp", name) }

// Below tells whether an absolute path is a folder or lies below it.
func Below(folder, name string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}
