package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// backends looks at every backend's place: the folder of a file system, the
// endpoint of all others. Many are asked at once.
func (v *visit) backends(ctx context.Context) {
	var side sync.WaitGroup
	defer side.Wait()
	slots := make(chan struct{}, atOnce)
	v.each(func(b *catalog.Backend) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		side.Go(func() {
			defer func() { <-slots }()
			v.backend(ctx, b)
		})
	})
}

func (v *visit) backend(ctx context.Context, b *catalog.Backend) {
	c := b.Config
	switch {
	case c == nil:
		v.unconfigured(ctx, b)
	case c.Err != nil:
		file := filepath.Join(v.Paths.Home, c.File)
		mend := "mend " + file
		if errors.Is(c.Err, fs.ErrPermission) {
			mend = v.allow(c.Err, file)
		}
		v.add("backend-misconfigured", status.SeverityError, b.Name, "backend "+b.Name+" can't be used as it is configured", c.Err.Error(), mend)
	case !v.Serves(c.Type):
		v.add("no-adapter", status.SeverityWarning, b.Name, fmt.Sprintf("backend %s is of type %q, which can't be synced", b.Name, c.RawType),
			"types that can: "+strings.Join(types.Names(), ", "), "leave it to ipfs_kit, and say enabled: false in "+filepath.Join(v.Paths.Home, c.File)+" so that it is not counted")
	case c.IsFilesystem():
		v.folder(ctx, b.Name, c.RootPath())
	default:
		v.endpoint(ctx, b, types.Spec{Name: b.Name, Type: c.Type, Content: c.Content, String: c.String}, "it is configured in "+filepath.Join(v.Paths.Home, c.File))
	}
}

// unconfigured looks at a backend without a configuration: a mark or the registry names it.
func (v *visit) unconfigured(ctx context.Context, b *catalog.Backend) {
	file := filepath.Join(v.Paths.Home, home.BackendsDir, b.Name+".yaml")
	leave := "; or if there is no such backend any more: echo 'enabled: false' >" + human.Shell(file)
	path := rowPath(b)
	switch {
	case b.Row != nil && !v.Serves(b.Type()):
		v.add("no-adapter", status.SeverityWarning, b.Name, fmt.Sprintf("backend %s is of type %q, which can't be synced", b.Name, b.Row.Type),
			"types that can: "+strings.Join(types.Names(), ", ")+"; only the backend registry names it", "leave it to ipfs_kit, so that it is not counted: echo 'enabled: false' >"+human.Shell(file))
	case path != "", b.Row != nil && b.Row.Endpoint != "":
		v.add("registry-only", status.SeverityInfo, b.Name, "backend "+b.Name+" has no configuration, and is served from the backend registry",
			"a program wrote its row there, at "+b.Row.Endpoint+"; a file that is removed leaves the row", "configure it in "+file+leave)
		if path != "" {
			v.folder(ctx, b.Name, path)
		} else if b.Type() != home.TypeFilesystem {
			v.endpoint(ctx, b, types.OfRow(b.Name, b.Type(), b.Row.Endpoint), "only the backend registry names it; configure it in "+file)
		}
	case b.Row != nil:
		v.add("backend-misconfigured", status.SeverityError, b.Name, "backend "+b.Name+" has no configuration",
			"the backend registry names it, and does not say where it is", "configure it in "+file+leave)
	default:
		v.add("backend-misconfigured", status.SeverityError, b.Name, "backend "+b.Name+" has no configuration",
			"only a dirty mark names it", "configure it in "+file+", or give up what its mark asks for: ipfs-kit-intelligent dismiss "+human.Argument(b.Name))
	}
}

// rowPath is the folder of a backend that only the registry knows, empty for other types.
func rowPath(b *catalog.Backend) string {
	if b.Config != nil || b.Row == nil || b.Type() != home.TypeFilesystem {
		return ""
	}
	if path := strings.TrimPrefix(b.Row.Endpoint, "file://"); filepath.IsAbs(path) {
		return path
	}
	return ""
}

// folder looks at the root of a filesystem backend.
func (v *visit) folder(ctx context.Context, name, path string) {
	seen, err := bounded(ctx, v.Clock, v.Probe, "look at "+path, func() (place, error) { return lookAt(path) })
	switch {
	case hangs(err):
		v.add("path-hangs", status.SeverityError, name, fmt.Sprintf("the folder %s of backend %s does not answer", path, name), plain(err),
			"look at its mount: findmnt --target "+human.Shell(path)+"; unmount it (umount -l) and mount it again")
		return
	case errors.Is(err, fs.ErrNotExist):
		v.add("path-missing", status.SeverityError, name, fmt.Sprintf("the folder %s of backend %s is not there", path, name),
			"its disk is not mounted, or the path is mistyped; it is never made by the service", "mount the disk, or if it is new: mkdir -p "+human.Shell(path))
		return
	case errors.Is(err, fs.ErrPermission):
		v.add("path-forbidden", status.SeverityError, name, fmt.Sprintf("the folder %s of backend %s is hidden by permissions", path, name), err.Error(),
			"let the user of the service read and write it: namei -l "+human.Shell(path))
		return
	case errors.Is(err, syscall.ENOTDIR):
		v.add("path-not-folder", status.SeverityError, name, fmt.Sprintf("%s of backend %s is no folder", path, name), "something else lies there", "name the folder in its configuration")
		return
	case err != nil:
		v.add("path-trouble", status.SeverityError, name, fmt.Sprintf("the folder %s of backend %s can't be looked at", path, name), err.Error(), "look at the path and its disk: namei -l "+human.Shell(path)+"; findmnt --target "+human.Shell(path)+"; dmesg")
		return
	}
	switch {
	case seen.writable == nil || v.System:
	case errors.Is(seen.writable, syscall.EROFS):
		v.add("path-read-only", status.SeverityError, name, fmt.Sprintf("the folder %s of backend %s is on a file system that is mounted read-only", path, name),
			seen.writable.Error(), "mount it for writing; after errors of the disk check it first (dmesg, fsck)")
	default:
		v.add("path-forbidden", status.SeverityError, name, fmt.Sprintf("the folder %s of backend %s can't be written", path, name), seen.writable.Error(),
			"let the user of the service read and write it: namei -l "+human.Shell(path))
	}
	v.room(name, path, seen)
	v.mu.Lock()
	v.lineages[name] = seen.lineage
	v.mu.Unlock()
}

// place is what a folder is like.
type place struct {
	// writable is why it can't be written, nil where it can.
	writable                error
	total, free             uint64 // bytes
	totalInodes, freeInodes uint64 // 0 where there is no fixed number
	// lineage is the folder itself, and those above it.
	lineage []folderID
}

// lookAt looks at a folder without writing.
func lookAt(path string) (place, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return place{}, err
	}
	if !fi.IsDir() {
		return place{}, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	if err := unix.Access(path, unix.R_OK|unix.X_OK); err != nil {
		return place{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	var p place
	if err := unix.Access(path, unix.W_OK); err != nil {
		p.writable = &fs.PathError{Op: "write", Path: path, Err: err}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return place{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	block := uint64(max(st.Bsize, 0)) //nolint:gosec // not negative
	p.total, p.free = st.Blocks*block, st.Bavail*block
	p.totalInodes, p.freeInodes = st.Files, st.Ffree
	p.lineage = lineage(path)
	return p, nil
}

// scarce is the share in percent below which room or inodes count as nearly gone, as in health checks.
const scarce = 5

// room looks at bytes and inodes.
func (v *visit) room(subject, path string, p place) {
	severity := func(free uint64) string {
		if free == 0 {
			return status.SeverityError
		}
		return status.SeverityWarning
	}
	if p.total > 0 && p.free < p.total/100*scarce {
		v.add("disk-nearly-full", severity(p.free), subject, fmt.Sprintf("the disk of %s is nearly full", path),
			human.Bytes(p.free)+" of "+human.Bytes(p.total)+" are free", "make room, or move it to a larger disk: df -h "+human.Shell(path))
	}
	if p.totalInodes > 0 && p.freeInodes < p.totalInodes/100*scarce {
		v.add("inodes-nearly-gone", severity(p.freeInodes), subject, fmt.Sprintf("the disk of %s has nearly no inodes left", path),
			fmt.Sprintf("%d of %d are free: it holds very many small files", p.freeInodes, p.totalInodes), "remove files, or make the file system anew with more: df -i "+human.Shell(path))
	}
}

// endpoint asks a backend that is no folder, by its own adapter's check; where says where a person changes what it is.
func (v *visit) endpoint(ctx context.Context, b *catalog.Backend, spec types.Spec, where string) {
	actx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := v.Clock.AfterFunc(2*v.Probe, cancel)
	defer t.Stop()
	for _, name := range types.Credentials(spec) {
		if !v.hasCredential(name) {
			return // without its secret nothing is learned; what the service knows is told
		}
	}
	if len(types.Variables(spec)) > 0 {
		return // nor with a variable in its place
	}
	deps := types.Deps{Clock: v.Clock, Credentials: v.credentialsFolder(), Lane: backend.NewLane(types.Transfers(spec.Type), v.Clock), Stall: v.Probe, ProbeTimeout: v.Probe}
	a, err := types.Open(actx, spec, deps)
	if err == nil {
		_, err = a.Check(actx)
		err = errors.Join(err, a.Close())
	}
	if err == nil {
		return
	}
	f := causeOf(err)
	if host := hostOf(b.Endpoint()); f.code == "endpoint-timeout" && host != "" {
		lctx, stop := context.WithTimeout(ctx, v.Probe)
		defer stop()
		if _, lerr := net.DefaultResolver.LookupHost(lctx, host); lerr != nil {
			f = causeOf(&net.DNSError{Name: host})
		}
	}
	if host := placeOf(b.Endpoint()); host != "" {
		f.mend = strings.NewReplacer("NAME", host, "ADDRESS", host).Replace(f.mend)
	}
	v.add(f.code, status.SeverityError, b.Name, fmt.Sprintf("backend %s can't be reached at %s: %s", b.Name, b.Endpoint(), f.what), plain(err), f.mend+" ("+where+")")
}

// hostOf is the name in an address, empty where it has none or a number.
func hostOf(address string) string {
	if host := placeOf(address); net.ParseIP(host) == nil {
		return host
	}
	return ""
}

// placeOf is the name or the number in an address; empty where it has none.
func placeOf(address string) string {
	if !strings.Contains(address, "://") {
		address = "//" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
