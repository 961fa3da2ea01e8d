package fsys

import "fmt"

// TooLargeError says that a file is over the limit it may be read with. Sizes are in bytes.
type TooLargeError struct{ Size, Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("file is too large: %d bytes, at most %d are read", e.Size, e.Limit)
}
