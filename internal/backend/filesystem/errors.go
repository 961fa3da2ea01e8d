package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"ipfskit.org/intelligent/internal/backend"
)

// trouble tells what a system call's error means for the backend.
type trouble struct {
	errno syscall.Errno
	class backend.Class
	hint  string
}

const (
	hintRoom     = "make room on its disk, or move the backend to a larger one"
	hintDisk     = "the disk reports errors: look at the kernel's log, and at the disk's health"
	hintMount    = "its mount is gone or its server does not answer: mount it again"
	hintReadOnly = "its file system is mounted read-only: mount it for writing; after errors of the disk, check it first"
	hintRights   = "let the user that runs the service read and write the folder"
)

var troubles = []trouble{
	{syscall.ENOSPC, backend.ClassQuota, hintRoom},
	{syscall.EDQUOT, backend.ClassQuota, "the user's quota on its disk is used up: " + hintRoom},
	{syscall.EFBIG, backend.ClassContent, "the file system can't hold a file of that size"},
	{syscall.EROFS, backend.ClassConfiguration, hintReadOnly},
	{syscall.EACCES, backend.ClassAuth, hintRights},
	{syscall.EPERM, backend.ClassAuth, hintRights},
	{syscall.EIO, backend.ClassServer, hintDisk},
	{syscall.EUCLEAN, backend.ClassServer, "the file system is damaged: unmount it and let fsck look at it"},
	{syscall.ENXIO, backend.ClassServer, hintDisk},
	{syscall.ENODEV, backend.ClassServer, hintDisk},
	{syscall.ESTALE, backend.ClassNetwork, hintMount},
	{syscall.ENOTCONN, backend.ClassNetwork, hintMount},
	{syscall.ECONNABORTED, backend.ClassNetwork, hintMount},
	{syscall.EHOSTDOWN, backend.ClassNetwork, hintMount},
	{syscall.EHOSTUNREACH, backend.ClassNetwork, hintMount},
	{syscall.ETIMEDOUT, backend.ClassNetwork, hintMount},
	{syscall.ENOENT, backend.ClassConfiguration, "its folder went away: mount its disk, or make the folder again"},
	{syscall.ENOTDIR, backend.ClassConfiguration, "there is something else where a folder should be: look at its path"},
	{syscall.ELOOP, backend.ClassConfiguration, "its path leads in a circle of links"},
}

// classify says what was being done, and what to do about it. An error that is
// classified already, that of a context and ErrNotStored keep what they are.
func (a *Adapter) classify(op string, err error) error {
	var known *backend.Error
	var corrupt *backend.CorruptError
	var source *backend.SourceError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.As(err, &corrupt), errors.As(err, &source),
		errors.Is(err, backend.ErrNotStored), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", op, err)
	}
	for _, t := range troubles {
		if errors.Is(err, t.errno) {
			return &backend.Error{Class: t.class, Op: op, Err: err, Hint: t.hint}
		}
	}
	return &backend.Error{Class: backend.ClassServer, Op: op, Err: err}
}

// notStored makes an absent name an ErrNotStored.
func notStored(what string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", what, backend.ErrNotStored)
	}
	return err
}
