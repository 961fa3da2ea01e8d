package home

import (
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"ipfskit.org/intelligent/internal/fsys"
)

// stamp tells whether a file is still the one that was read.
type stamp struct {
	ino          uint64
	size         int64
	mtime, ctime int64
}

// racy is how young a file may be for its stamp to hide a second write in the same tick of the file system's clock.
const racy = 20 * time.Millisecond

func stampOf(fi fs.FileInfo) stamp {
	s := stamp{size: fi.Size(), mtime: fi.ModTime().UnixNano()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.ino, s.ctime = st.Ino, st.Ctim.Nano()
	}
	return s
}

// stampOfLook is the stamp of a file that a look in its folder describes.
func stampOfLook(l fsys.Look) stamp {
	return stamp{ino: l.Ino, size: l.Size, mtime: l.Modified.UnixNano(), ctime: l.Changed.UnixNano()}
}

// plainStamp is the same, or no stamp for what has to be read to know what it is: a link, what can't be looked at.
func plainStamp(l fsys.Look, err error) stamp {
	if err != nil || !l.Type.IsRegular() {
		return stamp{}
	}
	return stampOfLook(l)
}

// fresh tells whether the file is so young that its stamp can't be relied on.
func (s stamp) fresh(now time.Time) bool { return now.UnixNano()-max(s.mtime, s.ctime) < int64(racy) }

func (s stamp) String() string { return fmt.Sprintf("%x.%x.%x.%x", s.ino, s.size, s.mtime, s.ctime) }

// cached is a value with the stamp of the file it was made from.
type cached[T any] struct {
	stamp stamp
	value T
	set   bool
}

// IsOwn tells whether a file is exactly what this program wrote last under that
// name: an echo of our own work and no news.
func (h *Home) IsOwn(name string, fi fs.FileInfo) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.own[name]
	now := stampOf(fi)
	return ok && s.ino == now.ino && s.size == now.size && s.mtime == now.mtime
}

func (h *Home) ownStamp(name string) stamp {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.own[name]
}

func (h *Home) remember(name string, s stamp) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.own[name] = s
}
