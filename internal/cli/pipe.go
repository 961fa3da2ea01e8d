package cli

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// errReaderGone says that nobody reads what is printed any more.
var errReaderGone = errors.New("the reader went away")

// whenReaderGoes calls f when the reader of a pipe goes away, which a program
// that waits for events would else notice at the next one only. Stop ends it.
func whenReaderGoes(out io.Writer, f func()) (stop func()) {
	if p, ok := out.(*printer); ok {
		out = p.Writer
	}
	file, ok := out.(*os.File)
	if !ok {
		return func() {}
	}
	if fi, err := file.Stat(); err != nil || fi.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return func() {}
	}
	return whenReady(int(file.Fd()), 0, f)
}

// whenReady calls f once when poll(2) tells one of the events of a descriptor,
// or that its other end is gone. Stop ends the waiting.
func whenReady(fd int, events int16, f func()) (stop func()) {
	r, w, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(r.Fd()), Events: unix.POLLIN}} //nolint:gosec // such are descriptors
		for {
			_, err := unix.Poll(fds, -1)
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case err == nil && fds[0].Revents != 0:
				f()
			}
			return
		}
	})
	return func() {
		w.Close() //nolint:errcheck // that is the word
		wg.Wait()
		r.Close() //nolint:errcheck // nothing was read
	}
}
