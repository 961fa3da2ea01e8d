package backend

import (
	"errors"
	"io"
)

// Chunk is how much one call of a Reader reads, in bytes: small enough that each
// one is progress, large enough that the lane costs nothing.
const Chunk = 1 << 20

// Reader reads something whose calls can hang. Its buffer is given up with a call
// that hangs, which may still write to it when the caller has gone on.
type Reader struct {
	read func(p []byte) (int, error)
	call func(run func() error) error
	buf  []byte // all of it
	left []byte // what was not taken yet
	err  error
}

// NewReader reads with read, each time within call, which runs it in a lane and says
// what an error means. size in bytes is a hint.
func NewReader(size int64, read func(p []byte) (int, error), call func(run func() error) error) *Reader {
	return &Reader{read: read, call: call, buf: make([]byte, max(512, min(Chunk, size+1)))}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 && r.err == nil {
		r.fill()
	}
	if len(r.left) == 0 {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *Reader) fill() {
	buf, n := r.buf, 0
	var end error
	err := r.call(func() (err error) {
		n, err = r.read(buf)
		if errors.Is(err, io.EOF) {
			end, err = io.EOF, nil
		}
		return err
	})
	if err != nil {
		r.buf, r.err = nil, err
		return
	}
	r.left, r.err = buf[:n], end
}
