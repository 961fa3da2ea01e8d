package fsys

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// BeingWritten tells whether any process has a file open for writing: the kernel
// gives no read lease on such a file (fcntl(2), F_SETLEASE). Where it has no leases,
// or the file is another account's, the answer is false.
func BeingWritten(r Root, name string) (bool, error) {
	f, err := r.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only looked at; it ends the lease too
	d, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return false, nil
	}
	_, err = unix.FcntlInt(d.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return errors.Is(err, syscall.EAGAIN), nil
}
