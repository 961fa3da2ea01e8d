// Package parquetfile is a narrow port over the parquet library: named columns
// in, rows out, and small edits that leave everything else in the file byte for
// byte as it was. Files come from programs that write in place, and from
// anywhere: every byte is checked by a guard before the library sees it, so that
// a hostile or torn file ends in an error, never in a panic, a hang or a flood of memory.
package parquetfile

import (
	"errors"
	"fmt"
)

// Limits bound what one file may cost.
type Limits struct {
	// FileBytes is the largest file, MemoryBytes the most that its decoded pages may take together.
	FileBytes, MemoryBytes int64
	// Rows is the most rows.
	Rows int64
}

// DefaultLimits fit every home that was seen, and keep a read below 256 MiB.
func DefaultLimits() Limits {
	return Limits{FileBytes: 256 << 20, MemoryBytes: 192 << 20, Rows: 5_000_000}
}

const (
	magic     = "PAR1"
	maxFooter = 16 << 20
	maxPage   = 64 << 20
	// maxHeader is the most that a page header may take.
	maxHeader = 1 << 20
)

// CorruptError says that a file is damaged or torn.
type CorruptError struct {
	// Column where the damage is; empty: it is not a column's.
	Column string
	// What is wrong, in words.
	What string
}

// Error names the column and the damage.
func (e *CorruptError) Error() string {
	if e.Column == "" {
		return "damaged parquet file: " + e.What
	}
	return fmt.Sprintf("damaged parquet file: column %q: %s", e.Column, e.What)
}

// UnsupportedError names the feature of a valid file that can't be read.
type UnsupportedError struct {
	// Column that has it; empty: it is the file's.
	Column string
	// Feature as the format names it.
	Feature string
}

// Error names the column and the feature.
func (e *UnsupportedError) Error() string {
	if e.Column == "" {
		return "parquet feature that can't be read: " + e.Feature
	}
	return fmt.Sprintf("parquet feature that can't be read: column %q: %s", e.Column, e.Feature)
}

// LimitError says which limit a file exceeds.
type LimitError struct {
	// What there is too much of: "rows", "bytes in a page" and so on.
	What string
	// Is how much there is, or would be.
	Is int64
	// Limit that it exceeds.
	Limit int64
}

// Error is how much there is, and the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("parquet file is too large: %d %s, and %d is the limit", e.Is, e.What, e.Limit)
}

func corrupt(format string, args ...any) error {
	return &CorruptError{What: fmt.Sprintf(format, args...)}
}

// inColumn names the column in an error that has none yet.
func inColumn(name string, err error) error {
	var c *CorruptError
	if errors.As(err, &c) && c.Column == "" {
		return &CorruptError{Column: name, What: c.What}
	}
	var u *UnsupportedError
	if errors.As(err, &u) && u.Column == "" {
		return &UnsupportedError{Column: name, Feature: u.Feature}
	}
	return err
}

// protect turns a panic of the library or of the guard into an error: the last fence.
func protect(err *error) {
	if v := recover(); v != nil {
		*err = corrupt("the reader gave up: %v", v)
	}
}
