package fsys

import "fmt"

// TooLargeError says that a file is over the limit it may be read with. Sizes are in bytes.
type TooLargeError struct {
	// Size of the file.
	Size int64
	// Limit is the most that is read.
	Limit int64
}

// Error is both sizes.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("file is too large: %d bytes, at most %d are read", e.Size, e.Limit)
}
