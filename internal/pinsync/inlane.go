package pinsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

// InLane opens and reads the same files in the lanes that laneOf gives by name: a disk of theirs that
// hangs is a source that does not answer within limit, and not a backend that does not.
func InLane(laneOf func(name string) *backend.Lane, limit time.Duration, open OpenCAR) OpenCAR {
	return func(ctx context.Context, name string) (io.ReadCloser, int64, error) {
		lane := laneOf(name)
		var f io.ReadCloser
		var size int64
		err := lane.Call(ctx, backend.Call{
			What: "open the CAR " + name, Deadline: limit,
			Run: func() (err error) { f, size, err = open(ctx, name); return err },
			Late: func(err error) {
				if err == nil {
					_ = f.Close() // nobody is left to tell
				}
			},
		})
		if err != nil {
			return nil, 0, ofSource(err)
		}
		read := func(run func() error) error { return ofSource(lane.Do(ctx, "read the CAR "+name, limit, run)) }
		return laneFile{backend.NewReader(size, f.Read, read), func() { lane.Release("close the CAR "+name, limit, func() { _ = f.Close() }) }}, size, nil // only read
	}
}

// ofSource takes from an error of the lane that it is a backend's.
func ofSource(err error) error {
	if late := (*backend.OverdueError)(nil); errors.As(err, &late) {
		return fmt.Errorf("%w; look at its disk", late)
	}
	return err
}

// laneFile is a file that is read and closed in a lane.
type laneFile struct {
	io.Reader
	release func()
}

func (f laneFile) Close() error { f.release(); return nil }
