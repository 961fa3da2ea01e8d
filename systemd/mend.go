package systemd

import (
	"strings"

	"ipfskit.org/intelligent/internal/fsys"
)

// Unit is the name of the unit, of a user's and of the system's.
const Unit = "ipfs-kit-intelligent.service"

// StartAgain is how a person has the unit started again, so that its sandbox is made
// anew; system: it is the system's.
func StartAgain(system bool) string {
	if system {
		return "as root: systemctl restart " + Unit
	}
	return "systemctl --user restart " + Unit
}

// LetWrite is how a person has the sandbox of the unit let the service see and write
// a folder, given as an absolute path without links; system: it is the system's unit, whose sandbox
// is the unit's own, and an administrator names more.
func LetWrite(path string, system bool) string {
	if !system {
		return "ipfs-kit-intelligent doctor --drop-in --install, then " + StartAgain(false)
	}
	name := Quote(path, "-")
	lines := "ReadWritePaths=" + name
	switch {
	case fsys.BelowHomes(path):
		lines = "ProtectHome=tmpfs and BindPaths=" + name
	case fsys.BelowTemporary(path):
		lines = "BindPaths=" + name
	}
	return "as root: systemctl edit " + Unit + ", with [Service] and " + lines + "; then systemctl restart " + Unit
}

// Quote writes a path as a word of a unit's list, with a prefix such as "-" (it need not be there).
func Quote(path, prefix string) string {
	path = strings.ReplaceAll(path, "%", "%%")
	if !strings.ContainsAny(path, " \t\"'\\") {
		return prefix + path
	}
	return `"` + prefix + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}
