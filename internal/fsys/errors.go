package fsys

import (
	"strings"

	"ipfskit.org/intelligent/internal/human"
)

// TooLargeError says that a file is over the limit it may be read with. Sizes are in bytes.
type TooLargeError struct {
	// Size of the file.
	Size int64
	// Limit is the most that is read.
	Limit int64
}

// Error is both sizes.
func (e *TooLargeError) Error() string {
	return "file is too large: " + human.Bytes(e.Size) + ", at most " + human.Bytes(e.Limit) + " are read"
}

// TempError is an error about a file under a temporary name. Its text has the name that
// the file was to get: what fails twice for the same cause has the same words twice.
type TempError struct {
	// Err is the cause.
	Err error
	// Temp is the temporary name, Final the one to come, both as the error's text has them.
	Temp, Final string
}

// Error is the cause, with the name that the file was to get.
func (e *TempError) Error() string { return strings.ReplaceAll(e.Err.Error(), e.Temp, e.Final) }

// Unwrap gives the cause.
func (e *TempError) Unwrap() error { return e.Err }
