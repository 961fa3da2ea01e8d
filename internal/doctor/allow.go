package doctor

import (
	"errors"
	"io/fs"
	"syscall"

	"ipfskit.org/intelligent/internal/human"
)

// allow says how the user of the service gets to read and write a file or folder of its own, and what is below it.
func (v *visit) allow(err error, path string) string {
	path = human.Shell(path)
	switch {
	case errors.Is(err, syscall.EROFS):
		return "mount it for writing; after errors of the disk check it first: findmnt --target " + path + "; dmesg"
	case errors.Is(err, fs.ErrPermission) && v.System:
		return "it may be hidden from you alone, look as root: sudo ipfs-kit-intelligent --system doctor; where it is hidden from the service: sudo chown -R ipfs-kit:ipfs-kit " + path
	case errors.Is(err, fs.ErrPermission):
		return "let this user read and write it; where it should be its own: sudo chown -R $(id -un) " + path + " && chmod -R u+rwX " + path
	}
	return "look at what lies there, and at its disk: namei -l " + path + "; findmnt --target " + path + "; dmesg"
}
