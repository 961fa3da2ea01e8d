package backend

import (
	"context"
	"io"

	"github.com/ipfs/go-cid"
)

// DeepVerifier is an Adapter whose Verify trusts its server for something, and
// which can also prove content without that trust, by reading all of it.
type DeepVerifier interface {
	// DeepVerify is Verify, reading and hashing every block.
	DeepVerify(ctx context.Context, c cid.Cid) (Item, error)
}

// Recorder is an Adapter that keeps a record of each pin beside its content, as upstream does.
type Recorder interface {
	// Records calls each for every CID that has a record, whether its content is there or not.
	Records(ctx context.Context, each func(cid.Cid) error) error
	// Record writes the record of what was verified, if it is missing, damaged or says otherwise.
	Record(ctx context.Context, item Item) error
}

// Cache is an Adapter whose server may have content that is not stored there for
// good, so that it is a source for other backends.
type Cache interface {
	// OpenCached reads the CAR of whatever the server has without asking others. ErrNotStored when it is not all there.
	OpenCached(ctx context.Context, c cid.Cid) (io.ReadCloser, error)
}
