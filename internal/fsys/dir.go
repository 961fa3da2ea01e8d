package fsys

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Entry is a name in a folder.
type Entry struct {
	// Name without the folder's.
	Name string
	// Type is that of the name itself: a link is fs.ModeSymlink.
	Type fs.FileMode
}

// IsDir tells whether it is a folder.
func (e Entry) IsDir() bool { return e.Type.IsDir() }

// Dir is a folder that is held open, so that a look at each of its files costs
// one call of the kernel, and no memory that lasts.
type Dir struct {
	f    *os.File
	name string
}

// Look is what a look at a file tells; links are not followed.
type Look struct {
	// Type is the file's type, without its permissions.
	Type fs.FileMode
	// Ino is its inode, Size its bytes.
	Ino uint64
	// Size in bytes.
	Size int64
	// Modified and Changed are its mtime and ctime.
	Modified, Changed time.Time
}

// OpenDir opens a folder inside a root.
func (o *osRoot) OpenDir(name string) (*Dir, error) {
	f, err := o.dir(name)
	if err != nil {
		return nil, err
	}
	return &Dir{f: f, name: name}, nil
}

// Close lets the folder go.
func (d *Dir) Close() error { return d.f.Close() }

// Look describes name, or what lies in a folder of this one ("folder/name"). The
// folder must be one: of a link to a folder the caller asks the Root, which can't be left.
func (d *Dir) Look(name string) (Look, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstatat(int(d.f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return Look{}, &fs.PathError{Op: "lstat", Path: d.name + "/" + name, Err: err}
		}
		return Look{Type: typeOf(st.Mode), Ino: st.Ino, Size: st.Size, Modified: time.Unix(st.Mtim.Unix()), Changed: time.Unix(st.Ctim.Unix())}, nil
	}
}

// Entries lists the folder, sorted by name. Unlike those of an os.File in an
// os.Root its entries are not looked at one by one where the folder tells their types.
func (d *Dir) Entries() ([]Entry, error) {
	var out []Entry
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(int(d.f.Fd()), buf)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "list", Path: d.name, Err: err}
		}
		if n <= 0 {
			break
		}
		if out, err = d.parse(buf[:n], out); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Places of what is in a record of getdents64(2).
const (
	direntLength = unsafe.Offsetof(unix.Dirent{}.Reclen)
	direntType   = unsafe.Offsetof(unix.Dirent{}.Type)
	direntName   = unsafe.Offsetof(unix.Dirent{}.Name)
)

func (d *Dir) parse(buf []byte, out []Entry) ([]Entry, error) {
	for len(buf) > int(direntName) {
		length := int(binary.NativeEndian.Uint16(buf[direntLength:]))
		if length <= int(direntName) || length > len(buf) {
			break
		}
		name, _, _ := bytes.Cut(buf[direntName:length], []byte{0})
		kind := uint32(buf[direntType]) << 12 // DT_* are the S_IF* of the mode
		buf = buf[length:]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		e := Entry{Name: string(name), Type: typeOf(kind)}
		if kind == 0 { // not every file system tells
			l, err := d.Look(e.Name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			e.Type = l.Type
		}
		out = append(out, e)
	}
	return out, nil
}

func typeOf(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
}
