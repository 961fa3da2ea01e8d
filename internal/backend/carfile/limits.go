package carfile

import "math"

// Limits bounds what a verification reads and remembers. Zero fields take the defaults.
type Limits struct {
	// BlockBytes is the largest block; default 32 MiB (the network's own limit is 2 MiB).
	BlockBytes int64
	// Blocks is how many different blocks and links are remembered, at 40 to 80 bytes each; default 4 Mi,
	// which is a DAG of 1 TiB in common block sizes.
	Blocks int64
	// Bytes is the largest CAR; default: no limit.
	Bytes int64
}

func (l Limits) withDefaults() Limits {
	if l.BlockBytes <= 0 {
		l.BlockBytes = 32 << 20
	}
	if l.Blocks <= 0 {
		l.Blocks = 4 << 20
	}
	if l.Bytes <= 0 {
		l.Bytes = math.MaxInt64 - 1
	}
	return l
}

// maxHeader is the largest CAR header in bytes: room for some hundred thousand roots.
const maxHeader = 8 << 20
