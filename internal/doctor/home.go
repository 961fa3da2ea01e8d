package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/redact"
	"ipfskit.org/intelligent/internal/status"
)

// readLimit is how long reading the whole home may take.
const readLimit = 30 * time.Second

// opened is a home that was read.
type opened struct {
	home *home.Home
	cat  *catalog.Catalog
	errs error
}

// openHome reads the home; fs.ErrNotExist when there is none.
func openHome(ctx context.Context, o Options) (opened, error) {
	return bounded(ctx, o.Clock, cmp.Or(o.Read, readLimit), "read the home "+o.Paths.Home, func() (opened, error) {
		h, err := home.Open(o.Paths.Home, home.Options{Clock: o.Clock})
		if err != nil {
			return opened{}, err
		}
		cat := catalog.New(h)
		_, err = cat.RefreshAll(ctx, func() {})
		return opened{h, cat, err}, nil
	})
}

// readHome reads all of the home, and says what can't be read.
func (v *visit) readHome(ctx context.Context) {
	path := v.Paths.Home
	got, err := openHome(ctx, v.Options)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.add("no-home", status.SeverityError, path, "there is no home at "+path, "ipfs_kit has not made one for this user, or its disk is not mounted",
			"make it, with ipfs_kit or by mkdir "+human.Shell(path)+"; mount the disk; or say where it is: IPFS_KIT_HOME=/path, also for the service")
		return
	case hangs(err):
		v.add("home-hangs", status.SeverityError, path, "the home does not answer", plain(err), "look at its disk or mount: findmnt --target "+human.Shell(path))
		return
	case errors.Is(err, fs.ErrPermission) && v.System:
		v.add("home-not-looked-at", status.SeverityInfo, path, "the home is the system's, and you may not look into it", "it has files of all backends, and is for its own account and administrators",
			"nothing, or look at all of it as root: ipfs-kit-intelligent --system doctor")
		return
	case err != nil:
		v.add("home-unreadable", status.SeverityError, path, "the home can't be opened", err.Error(), v.allow(err, path))
		return
	}
	v.home, v.cat = got.home, got.cat
	problems := v.cat.Problems()
	told := map[string]bool{} // files that can't be read, with words of their own
	for _, name := range v.cat.Names() {
		b, ok := v.cat.Get(name)
		if !ok {
			continue
		}
		if b.Config != nil {
			redact.Settings(b.Config.Settings.All())
			told[b.Config.File] = b.Config.Err != nil && b.Counted()
		}
		if b.Dirty != nil {
			for _, p := range b.Dirty.Problems {
				told[p.File] = true
				v.unreadable(p, "mend it; or remove it, and have all of it compared: ipfs-kit-intelligent sync --reconcile --backend "+human.Shell(name))
			}
		}
	}
	for _, p := range v.cat.Problems() {
		if !told[p.File] {
			v.unreadable(p, home.Mend(p.File))
		}
	}
	if got.errs != nil && len(problems) == 0 {
		v.add("home-unreadable", status.SeverityError, path, "part of the home can't be read", strings.ReplaceAll(got.errs.Error(), "\n", "; "), v.allow(got.errs, path))
	}
}

// unreadable tells of a file of the home that can't be read.
func (v *visit) unreadable(p home.Problem, mend string) {
	file := human.Shell(filepath.Join(v.Paths.Home, p.File))
	if errors.Is(p.Err, fs.ErrPermission) {
		v.add("file-unreadable", status.SeverityError, p.File, p.File+" can't be read: it is forbidden", p.Err.Error(), v.allow(p.Err, filepath.Join(v.Paths.Home, p.File)))
		return
	}
	v.add("file-unreadable", status.SeverityError, p.File, p.File+" can't be read: it is torn or damaged", p.Err.Error(),
		"see what is in it: ipfs-kit-intelligent inspect "+file+"; "+mend)
}

// configuration is the service's own.
func (v *visit) configuration(context.Context) {
	_, warnings, err := config.Load(v.Paths.Config)
	if err != nil {
		v.add("configuration-wrong", status.SeverityError, "intelligent.yaml", "the service's configuration is wrong, and it does not start with it", err.Error(),
			"mend the line, then ipfs-kit-intelligent config check")
	}
	for _, w := range warnings {
		v.add("configuration-key", status.SeverityWarning, fmt.Sprintf("%s:%d", w.File, w.Line), "a key of the service's configuration has no effect", w.Text, "mend or remove the line")
	}
}

// registries says that upstream has not written any yet: nothing is wrong then.
func (v *visit) registries(context.Context) {
	if v.home == nil {
		return
	}
	backends, buckets := v.home.HasRegistries()
	if !backends {
		v.add("no-registry", status.SeverityInfo, "backend registry", "there is no backend registry yet", "no program has written one",
			"nothing: the first health check makes it, where ipfs_kit made the folder backend_index")
	}
	if !buckets {
		v.add("no-bucket-registry", status.SeverityInfo, "bucket registry", "there is no bucket registry yet", "no bucket was made with ipfs_kit so far",
			"nothing, or make one: ipfs-kit bucket create NAME")
	}
}

// layouts finds backends that both layouts configure, differently.
func (v *visit) layouts(context.Context) {
	v.each(func(b *catalog.Backend) {
		if c := b.Config; c != nil && c.Differs != "" {
			v.add("layouts-differ", status.SeverityWarning, b.Name, fmt.Sprintf("%s and %s say different things", c.File, c.Differs),
				c.File+" counts for this service; older programs read the other one", fmt.Sprintf("see what: diff %s %s; make both say the same, or remove the second",
					human.Shell(filepath.Join(v.Paths.Home, c.File)), human.Shell(filepath.Join(v.Paths.Home, c.Differs))))
		}
	})
}

// homeWritable looks whether marks can be cleared. It asks the kernel and writes nothing.
func (v *visit) homeWritable(ctx context.Context) {
	if v.home == nil || v.System {
		return
	}
	for _, dir := range append(home.FixedDirs(), home.BackendsDir) {
		path := filepath.Join(v.Paths.Home, dir)
		_, err := bounded(ctx, v.Clock, v.Probe, "ask for the rights of "+path, func() (struct{}, error) {
			return struct{}{}, unix.Access(path, unix.W_OK|unix.X_OK)
		})
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		v.add("home-not-writable", status.SeverityError, path, "the home can't be written: no mark can be cleared", err.Error(),
			v.allow(err, path))
		return
	}
}

// ServedBy tells who has the home at path; false where nobody does, or the home does not answer within limit.
func ServedBy(ctx context.Context, clk clock.Clock, limit time.Duration, path string) (owner home.Owner, held bool) {
	owner, err := bounded(ctx, clk, limit, "look who has "+path, func() (home.Owner, error) {
		o, held := home.ServedBy(path)
		if !held {
			return o, fs.ErrNotExist
		}
		return o, nil
	})
	return owner, err == nil
}

// homeLock finds a service that has the home, and does not answer here.
func (v *visit) homeLock(ctx context.Context) {
	if v.home == nil {
		return
	}
	owner, held := ServedBy(ctx, v.Clock, v.Probe, v.Paths.Home)
	if !held || v.Service != nil && owner.PID == int(v.Service.PID) {
		return
	}
	if owner.PID == 0 { // it could not write down who it is: its disk was full
		if v.Service == nil {
			v.add("home-locked", status.SeverityError, v.Paths.Home, "the home is served by a process, which does not answer here", "who it is could not be written down",
				"find it: fuser -v "+human.Shell(filepath.Join(v.Paths.Home, ".ipfs-kit-intelligent.lock")))
		}
		return
	}
	v.add("home-locked", status.SeverityError, v.Paths.Home, fmt.Sprintf("the home is served by process %d on %s, which does not answer here", owner.PID, owner.Host),
		fmt.Sprintf("it is on the bus %s, since %s", owner.Bus, owner.Since.Local().Format("2006-01-02 15:04:05")),
		fmt.Sprintf("speak to it: ipfs-kit-intelligent --bus %s status; or stop it: kill %d", owner.Bus, owner.PID))
}

// each calls f for every backend that counts.
func (v *visit) each(f func(*catalog.Backend)) {
	if v.cat == nil {
		return
	}
	for _, name := range v.cat.Names() {
		if b, ok := v.cat.Get(name); ok && b.Counted() {
			f(b)
		}
	}
}
