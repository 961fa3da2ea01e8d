package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// watches holds the kernel's limits against the folders of the home.
func (v *visit) watches(context.Context) {
	full := false
	if !v.System { // whose account is another one than that of who asks, with instances of its own
		inotify := v.Inotify
		if inotify == nil {
			inotify = kernelInotify
		}
		full = errors.Is(inotify(), unix.EMFILE)
	}
	if full {
		v.add("watch-instances", status.SeverityWarning, "fs.inotify.max_user_instances", "the kernel lets no more programs of this user watch folders",
			"others have taken all that it allows; a service that starts now looks at the home every 15 seconds instead",
			"echo fs.inotify.max_user_instances=1024 | sudo tee /etc/sysctl.d/51-ipfs-kit.conf && sudo sysctl --system")
	}
	if v.cat == nil {
		return
	}
	text, err := os.ReadFile(v.Root + "/proc/sys/fs/inotify/max_user_watches")
	if err != nil {
		return
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return
	}
	folders := len(home.FixedDirs()) + 1
	for _, name := range v.cat.Names() {
		folders += len(home.BackendDirs(name))
	}
	short := v.Service != nil && slices.ContainsFunc(v.Service.Issues, func(i status.Finding) bool { return i.Code == "unwatched" })
	if folders*10 >= limit*9 || short && !full {
		v.add("watch-limit", status.SeverityWarning, "fs.inotify.max_user_watches", fmt.Sprintf("the kernel lets the service's user watch %s, and the home has %d", human.Count(limit, "folder", "folders"), folders),
			"what is not watched is only looked at every 15 seconds, and other programs of that user need watches too",
			fmt.Sprintf("echo fs.inotify.max_user_watches=%d | sudo tee /etc/sysctl.d/50-ipfs-kit.conf && sudo sysctl --system", max(8*folders, 2*limit, 65536)))
	}
}

// kernelInotify takes one of the user's instances and gives it back.
func kernelInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// ownDisks looks at the room of the home and of the service's own state, which lies where it will be made where it is not there yet.
func (v *visit) ownDisks(ctx context.Context) {
	for _, path := range []string{v.Paths.Home, v.Paths.State} {
		at := path
		seen, err := bounded(ctx, v.Clock, v.Probe, "look at "+path, func() (p place, err error) {
			for {
				p, err = lookAt(at)
				up := filepath.Dir(at)
				if path != v.Paths.State || !errors.Is(err, fs.ErrNotExist) || up == at {
					return p, err
				}
				at = up
			}
		})
		if err == nil {
			v.room(path, at, seen)
		}
	}
}

// ahead is how far in the future a time may be before the clock is wrong.
const ahead = 2 * time.Minute

// clock looks for times in the future, and whether anything keeps the clock right.
func (v *visit) clock(context.Context) {
	now := v.Clock.Now()
	if v.home != nil {
		what, latest := "", now.Add(ahead)
		later := func(name string, t time.Time) {
			if t.After(latest) {
				what, latest = name, t
			}
		}
		for _, dir := range home.FixedDirs() {
			if fi, err := v.home.Root().Stat(dir); err == nil {
				later("the folder "+filepath.Join(v.Paths.Home, dir), fi.ModTime())
			}
		}
		v.each(func(b *catalog.Backend) {
			if b.Dirty != nil {
				later("the mark of "+b.Name, b.Dirty.Since)
			}
		})
		if what != "" {
			v.add("clock-behind", status.SeverityWarning, what, "the clock is behind: "+what+" is from the future",
				fmt.Sprintf("it says %s, and it is %s here; ages and retries go by the clock", latest.Format(time.RFC3339), now.Format(time.RFC3339)), "set the clock: timedatectl set-ntp true")
		}
	}
	synchronised := v.Synchronised
	if synchronised == nil {
		synchronised = kernelSynchronised
	}
	if !synchronised() {
		v.add("clock-unsynchronised", status.SeverityInfo, "clock", "nothing keeps the clock right", "the kernel says that it is not synchronised",
			"timedatectl set-ntp true; in a virtual machine or container its host may do it")
	}
}

// kernelSynchronised is systemd's rule: the greatest error is below 16 seconds.
func kernelSynchronised() bool {
	var t unix.Timex
	_, err := unix.Adjtimex(&t)
	return err != nil || t.Maxerror < 16_000_000
}

// bus looks whether there is one to be found on.
func (v *visit) bus(context.Context) {
	if v.System {
		return
	}
	if v.Getenv("XDG_RUNTIME_DIR") == "" {
		v.add("runtime-dir-missing", status.SeverityInfo, "XDG_RUNTIME_DIR", "XDG_RUNTIME_DIR is not set", "no session manager made this session: su and cron do so",
			"systemctl --user needs it: export XDG_RUNTIME_DIR=/run/user/$(id -u), where that is there")
	}
	if v.Service != nil || v.Getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return
	}
	if _, err := os.Stat(filepath.Join(v.Getenv("XDG_RUNTIME_DIR"), "bus")); v.Getenv("XDG_RUNTIME_DIR") == "" || errors.Is(err, fs.ErrNotExist) {
		v.add("bus-missing", status.SeverityWarning, "DBUS_SESSION_BUS_ADDRESS", "there is no session bus", "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR/bus leads to one",
			"install dbus-user-session and log in again; or start the service on a bus of its own: ipfs-kit-intelligent start --detach")
	}
}
