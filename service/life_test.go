package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
)

// life is one run of the service.
type life struct {
	h *story
	// fuse is how many calls are left until it is killed; 0: no such thing is planned.
	fuse atomic.Int64
	mu   sync.Mutex
	dead chan struct{} // closed when it is killed
	over chan struct{} // closed when it ends: nothing hangs any more
	end  func()
	next string // where the state lies that the next one finds
}

var errKilled = errors.New("the service was killed before this call")

// begin starts a service on what its predecessor left.
func (h *story) begin() {
	h.lives++
	l := &life{h: h, dead: make(chan struct{}), over: make(chan struct{}), next: filepath.Join(filepath.Dir(h.home), fmt.Sprint("state", h.lives))}
	l.end = sync.OnceFunc(func() { close(l.over) })
	if h.life.isDead() {
		h.o.Paths.State = h.life.next
	}
	h.tasks.listen()
	h.life = l
	wrap := func(r fsys.Root) fsys.Root {
		h.disksMu.Lock()
		defer h.disksMu.Unlock()
		d := h.disks[r.Path()]
		return faulty.Wrap(r, func(op, name string) error { return l.before(d, op, name) })
	}
	h.o.WrapHomeRoot, h.o.WrapBackendRoot = wrap, wrap
	h.o.Publish = h.tasks.hear
	h.start()
}

func (l *life) isDead() bool {
	if l == nil {
		return false
	}
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// settled is isDead once all that it leaves is written: nothing goes on while it dies.
func (l *life) settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isDead()
}

// before is asked before each call to a folder, the home's included.
func (l *life) before(d *disk, op, name string) error {
	if l.fuse.Load() > 0 && l.fuse.Add(-1) == 0 {
		l.die()
	}
	if l.settled() {
		return errKilled
	}
	if d == nil {
		return nil
	}
	err := d.call(op, name, l.over)
	if l.isDead() {
		return errKilled
	}
	return err
}

// die is kill -9: no call to a folder is made after it, and the state database stays as it is now.
func (l *life) die() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isDead() {
		return
	}
	close(l.dead)
	l.h.tasks.forget()
	if err := l.h.copyState(l.next); err != nil {
		l.h.t.Error(err)
	}
}
