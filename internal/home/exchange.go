package home

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/fsys"
)

// change is how a file that Python may write at the same time is changed.
type change struct {
	name  string
	limit int64
	// apply makes the new content of the old one (nil: there is no file). It may
	// be called again with newer content, and must say the same about what it
	// was made for. A nil result leaves the file alone.
	apply func(old []byte) ([]byte, error)
	// merge puts what another program wrote into the old file, after it was
	// swapped out, into the current content. A nil result: there is nothing of it to add.
	merge func(current, other []byte) ([]byte, error)
	// keep, if set, makes new content where our change is in the current one no more: a
	// program that read before our change wrote after it. A nil result: it is there.
	keep func(current []byte) ([]byte, error)
	// once, if set, says that what another program wrote has no parts that could be
	// taken away one by one: merging it a second time would only undo what was done since.
	once func(other []byte) bool
	// note, if set, is shown what another program wrote between our read and the exchange.
	note func(other []byte)
}

// maxRounds bounds how often a file that another program keeps changing is swapped again.
const maxRounds = 5

// lateLooks are the waits before a file that was swapped out is looked at again:
// Python may have had it open, and writes into it. The first ones are for every
// file, all of them for one that somebody wrote into or still has open.
var lateLooks = []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second, 3 * time.Second,
	10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second}

const (
	// usualLooks are enough for a file that nobody wrote into: a program that read before our
	// change and writes after it has four seconds for that.
	usualLooks = 4
	// calmLooks in a row without anything to do end the looks at a file that somebody wrote into: what is
	// merged from it may be taken away by a program that read before and writes after.
	calmLooks = 2
	// mostLooks bounds them, about five minutes.
	mostLooks = 40
)

// replace changes a file so that nothing that Python writes meanwhile is lost:
// the new content is written beside and synced, the two are exchanged, and what
// was swapped out is read again, now and a little later (architecture, law 14).
func (h *Home) replace(ctx context.Context, c change) error {
	if !h.late.begin() {
		return fmt.Errorf("change %s: %w", c.name, fs.ErrClosed)
	}
	defer h.late.done()
	return h.exchange(ctx, c)
}

// exchange is replace for who is counted already.
func (h *Home) exchange(ctx context.Context, c change) error {
	defer h.lock(c.name)()
	old, err := h.current(ctx, c)
	if err != nil {
		return err
	}
	for round := range maxRounds {
		next, err := c.apply(old)
		if err != nil {
			return fmt.Errorf("change %s: %w", c.name, err)
		}
		if next == nil && round == 0 {
			return nil
		}
		if next == nil {
			break
		}
		swapped, temp, err := h.swap(c, old != nil, next)
		if errors.Is(err, fs.ErrExist) && round+1 < maxRounds { // it came since it was read
			if old, err = h.current(ctx, c); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("change %s: %w", c.name, err)
		}
		if old == nil || bytes.Equal(swapped, old) {
			h.lookLater(c, temp, swapped)
			return h.syncDir(c.name)
		}
		// Somebody wrote between our read and the exchange: theirs is the base now.
		if c.note != nil {
			c.note(swapped)
		}
		h.lookLater(c, temp, nil)
		if _, err := c.apply(swapped); err != nil {
			return h.syncDir(c.name) // torn: the late look merges what it becomes
		}
		old = swapped
	}
	return h.syncDir(c.name)
}

// current reads a file that is to be changed; nil where there is none.
func (h *Home) current(ctx context.Context, c change) ([]byte, error) {
	data, _, err := h.read(ctx, c.name, c.limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s to change it: %w", c.name, err)
	}
	return data, nil
}

// swap writes next beside the file and exchanges the two. It gives what was
// swapped out and the name under which that lies now; empty when nothing does. A file that
// came where there was none is fs.ErrExist. An error names the file, not what lay beside it.
func (h *Home) swap(c change, exists bool, next []byte) (swapped []byte, temp string, err error) {
	temp = path.Join(path.Dir(c.name), tempPrefix+path.Base(c.name)+"."+rand.Text()[:8]+".tmp")
	defer func(temp string) {
		if err != nil {
			err = &fsys.TempError{Err: err, Temp: temp, Final: c.name}
		}
	}(temp)
	if err := h.writeTemp(c.name, temp, next); err != nil {
		return nil, "", errors.Join(err, h.discard(temp))
	}
	if fi, err := h.root.Stat(temp); err == nil {
		h.remember(c.name, stampOf(fi))
	}
	if !exists {
		return nil, "", h.place(temp, c.name)
	}
	err = h.root.Exchange(temp, c.name)
	switch {
	case errors.Is(err, fsys.ErrNoExchange):
		// The old content is read as late as can be; what comes in the instant before the rename can't be kept on such a file system.
		if swapped, _, err = h.read(context.Background(), c.name, c.limit); err != nil {
			return nil, "", errors.Join(err, h.discard(temp))
		}
		return swapped, "", h.root.Rename(temp, c.name)
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", h.place(temp, c.name) // it was deleted meanwhile
	case err != nil:
		return nil, "", errors.Join(err, h.discard(temp))
	}
	swapped, _, err = h.read(context.Background(), temp, c.limit)
	return swapped, temp, err
}

// place gives a new file its name, unless another one came there. On file systems without hard
// links that can't be told, and what came in the instant before is lost.
func (h *Home) place(temp, name string) error {
	err := h.root.Link(temp, name)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return errors.Join(err, h.discard(temp))
	}
	return h.root.Rename(temp, name)
}

// writeTemp writes and syncs a new file with the permissions of the one that it replaces.
func (h *Home) writeTemp(name, temp string, data []byte) (err error) {
	perm := fs.FileMode(0o644)
	if fi, err := h.root.Stat(name); err == nil {
		perm = fi.Mode().Perm()
	}
	f, err := h.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// discard removes a temporary file; one that is not there is no error.
func (h *Home) discard(temp string) error {
	if temp == "" {
		return nil
	}
	if err := h.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (h *Home) syncDir(name string) error {
	if err := h.root.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("make %s survive a power loss: %w", name, err)
	}
	return nil
}

// lookLater watches what was swapped out for a while, merges what is not in
// base (the content that our change was made from), and removes it.
func (h *Home) lookLater(c change, temp string, base []byte) {
	if temp == "" {
		return
	}
	l := &lateLook{change: c, temp: temp, base: base, mine: h.ownStamp(c.name), raced: base == nil}
	h.late.Go(func() {
		for i := 0; ; i++ {
			ending := h.waitLook(lateLooks[min(i, len(lateLooks)-1)])
			h.lookNow(l)
			if ending || l.over(i+1) {
				break // at the end more looks without a wait between them would see the same
			}
		}
		if !l.writing {
			h.discard(temp) //nolint:errcheck // what is left is swept at the next start
		}
	})
}

// lateLook is a file that was swapped out, and what became of it.
type lateLook struct {
	change
	// temp is where it lies, base what our change was made from, mine how the file was after the change.
	temp string
	base []byte
	mine stamp
	// raced: somebody wrote into it, or over our change. writing: somebody has it open.
	raced, writing bool
	// merged is what was taken from it last.
	merged []byte
	// calm counts the looks in a row that had nothing to do.
	calm int
}

// over tells whether so many looks were enough.
func (l *lateLook) over(looks int) bool {
	switch {
	case looks >= mostLooks:
		return true
	case !l.raced && !l.writing:
		return looks >= usualLooks
	}
	return looks >= len(lateLooks) && l.calm >= calmLooks
}

// lookNow takes what came into the file since. It merges at each look again: a program
// that read before a merge and wrote after it took it away.
func (h *Home) lookNow(l *lateLook) {
	l.calm++
	if l.writing, _ = fsys.BeingWritten(h.root, l.temp); l.writing { //nolint:errcheck // it is gone: nobody writes
		l.calm = 0
	}
	now, _, err := h.read(context.Background(), l.temp, l.limit)
	if err == nil && !bytes.Equal(now, l.base) {
		l.raced = true
		again := l.merged != nil && bytes.Equal(now, l.merged) && l.once != nil && l.once(now)
		if len(now) > 0 && !again {
			added, err := h.mergeLate(l.change, now)
			if err == nil {
				l.merged = now
			}
			if added || err != nil { // an error: one of the two is half written, and the next look sees it whole
				l.calm = 0
			}
		}
	}
	if h.putBack(l.change, l.mine) != nil {
		l.raced, l.calm = true, 0 // somebody is writing it just now, perhaps without our change
	}
}

// putBack makes our change again where another program wrote over it. mine is how the file was
// after the change. An error means that it is not whole yet.
func (h *Home) putBack(c change, mine stamp) error {
	if now, _, there := h.stat(c.name); c.keep == nil || !there || now == mine {
		return nil
	}
	again := c
	again.apply = c.keep
	return h.exchange(context.Background(), again)
}

// waitLook waits, and tells whether the home is being closed: then it does not wait.
func (h *Home) waitLook(d time.Duration) (ending bool) {
	t := h.clk.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false
	case <-h.closing:
		return true
	}
}

// mergeLate puts what came into a swapped-out file into the current one, and tells whether there
// was anything to add. An error means that one of them is not whole yet.
func (h *Home) mergeLate(c change, other []byte) (added bool, err error) {
	defer h.lock(c.name)()
	for range maxRounds {
		current, _, err := h.read(context.Background(), c.name, c.limit)
		if err != nil {
			return added, err
		}
		next, err := c.merge(current, other)
		if err != nil || next == nil {
			return added, err
		}
		swapped, temp, err := h.swap(c, true, next)
		if err != nil {
			return added, err
		}
		added = true
		h.remember(c.name, stamp{}) // the merged file is news to the watch: it must be looked at
		if bytes.Equal(swapped, current) {
			h.lookLater(c, temp, swapped)
			break
		}
		h.lookLater(c, temp, nil)
		other = swapped // somebody wrote between our read and the exchange
	}
	return added, h.syncDir(c.name)
}

// looks are the changes and the late looks that go on. Unlike a WaitGroup's, they may begin while
// Close waits: by a write that hung and was given up.
type looks struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when the last one ends, where somebody waits
	over bool          // no change begins any more
}

// begin counts a change, which Close waits for; false once the home is being closed.
func (l *looks) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.n++
	return true
}

// refuse lets no change begin any more.
func (l *looks) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

func (l *looks) Go(f func()) {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
	go func() {
		defer l.done()
		f()
	}()
}

func (l *looks) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n--; l.n == 0 && l.none != nil {
		close(l.none)
		l.none = nil
	}
}

// Wait returns when none goes on.
func (l *looks) Wait() {
	l.mu.Lock()
	if l.n == 0 {
		l.mu.Unlock()
		return
	}
	if l.none == nil {
		l.none = make(chan struct{})
	}
	none := l.none
	l.mu.Unlock()
	<-none
}
