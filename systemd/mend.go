package systemd

import "ipfskit.org/intelligent/internal/fsys"

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
// a folder, given as an absolute path; system: it is the system's unit, whose sandbox
// is the unit's own, and an administrator names more.
func LetWrite(path string, system bool) string {
	if !system {
		return "ipfs-kit-intelligent doctor --drop-in --install, then " + StartAgain(false)
	}
	lines := "ReadWritePaths=-" + path
	switch {
	case fsys.BelowHomes(path):
		lines = "ProtectHome=tmpfs and BindPaths=-" + path
	case fsys.BelowTemporary(path):
		lines = "BindPaths=-" + path
	}
	return "as root: systemctl edit " + Unit + ", with [Service] and " + lines + "; then systemctl restart " + Unit
}
