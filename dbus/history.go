package dbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// maxHistories bounds the histories that are being written: each is a pipe that somebody may never read.
const maxHistories = 32

// history hands out the reading end of a pipe; the lines are written while the
// caller reads. A caller that closes its end, or leaves the bus with it, ends the writing.
func history(c *call) ([]any, error) {
	var q status.HistoryQuery
	var since, until uint64
	if err := c.options(0, map[string]any{"what": &q.What, "backend": &q.Backend, "since": &since, "until": &until}); err != nil {
		return nil, err
	}
	q.Since, q.Until = fromUSec(since), fromUSec(until)
	lines, err := c.s.o.Engine.History(c.ctx, q)
	if err != nil {
		return nil, err
	}
	if n := c.s.histories.Add(1); n > maxHistories {
		c.s.histories.Add(-1)
		return nil, status.Errorf(status.LimitsExceeded, "%d histories are being read already; read one to its end, or close it", maxHistories)
	}
	r, w, err := os.Pipe()
	if err != nil {
		c.s.histories.Add(-1)
		return nil, fmt.Errorf("make a pipe for the history: %w", err)
	}
	// Our copy of the reading end is closed as soon as the reply is out: then a reader that is gone is an error for the writer.
	err = errors.Join(c.reply(godbus.UnixFD(r.Fd())), r.Close())
	if err != nil {
		c.s.histories.Add(-1)
		return nil, errors.Join(err, w.Close())
	}
	ctx := c.ctx
	c.s.wg.Go(func() {
		defer c.s.histories.Add(-1)
		writeHistory(ctx, lines, w)
	})
	return nil, nil
}

// writeHistory writes until the end, the reader's end, or ours.
func writeHistory(ctx context.Context, lines func(context.Context, io.Writer) error, w *os.File) {
	stop := context.AfterFunc(ctx, func() { w.Close() }) //nolint:errcheck // a reader that stops reading must not keep the service from ending
	defer stop()
	if err := lines(ctx, w); err != nil && ctx.Err() == nil && !errors.Is(err, syscall.EPIPE) {
		w.Write(status.HistoryError(err)) //nolint:errcheck // the reader may be gone
	}
	w.Close() //nolint:errcheck // the reader may be gone
}
