package backend

import (
	"context"
	"errors"
	"io"
)

// Failed makes an error of the source, which is not the backend's that reads it: a
// *SourceError, or the context's where that is over.
func (s Source) Failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &SourceError{From: s.From, Err: err}
}

// Reader reads r, with the errors of the source.
func (s Source) Reader(ctx context.Context, r io.Reader) io.Reader { return sourceReader{ctx, s, r} }

type sourceReader struct {
	ctx context.Context
	src Source
	r   io.Reader
}

func (s sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.src.Failed(s.ctx, err)
	}
	return n, err
}
