package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/doctor"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/privatebus"
)

// dialLimit is how long a bus may take to answer at all.
const dialLimit = 10 * time.Second

// connect finds the running service, and refuses one that serves another home.
func (a *app) connect(ctx context.Context) (*client.Client, error) {
	c, err := a.find(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.sameHome(ctx, c); err != nil {
		c.Close() //nolint:errcheck // it was only asked
		return nil, err
	}
	return c, nil
}

// find connects to the first bus where somebody owns the service's name.
func (a *app) find(ctx context.Context) (*client.Client, error) {
	addresses := a.buses()
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%w: there is no session bus, and no bus of its own", client.ErrNotRunning)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialLimit, fmt.Errorf("%w from the bus within %s", client.ErrSilent, dialLimit))
	defer cancel()
	var first error
	for _, address := range addresses {
		c, err := client.Dial(ctx, address)
		if err == nil {
			if _, err = c.Owner(ctx); err == nil {
				if a.onSystem() && a.attended() {
					c.Ask = a.agent
				}
				return c, nil
			}
			c.Close() //nolint:errcheck // it was only asked
		}
		if first == nil || !errors.Is(err, client.ErrNotRunning) {
			first = err
		}
	}
	return nil, first
}

// buses are where the service may be, the likeliest first.
func (a *app) buses() []string {
	switch {
	case a.bus == "session":
		return nonEmpty(client.SessionAddress(a.env.Getenv))
	case a.bus != "":
		return []string{a.bus}
	case a.system:
		return []string{"system"}
	}
	var out []string
	if p, err := config.FindPaths(a.env.Getenv, false); err == nil && ownFolder(p.Runtime) {
		if address, err := privatebus.Find(p.Runtime); err == nil {
			out = append(out, address)
		}
	}
	return append(out, nonEmpty(client.SessionAddress(a.env.Getenv))...)
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// ownFolder says that nobody else could have put a socket there.
func ownFolder(dir string) bool {
	fi, err := os.Lstat(dir)
	if err != nil || !fi.IsDir() || fi.Mode().Perm()&0o022 != 0 {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// sameHome refuses a service of another home. The system's service has a home
// of its own, and is only held against one that was named.
func (a *app) sameHome(ctx context.Context, c *client.Client) error {
	if a.onSystem() && a.env.Getenv("IPFS_KIT_HOME") == "" {
		return nil
	}
	m, err := c.Properties(ctx)
	if err != nil {
		return err
	}
	return a.oursIs(m.Home)
}

// oursIs refuses another home than ours.
func (a *app) oursIs(home string) error {
	p, err := config.FindPaths(a.env.Getenv, false)
	if err != nil {
		return err
	}
	if home == "" || realPath(home) == realPath(p.Home) {
		return nil
	}
	return &fault{code: ExitFailed, err: fmt.Errorf("the service that runs serves the home %s, and yours is %s", home, p.Home),
		next: fmt.Sprintf("name its home: IPFS_KIT_HOME=%s %s …, or run another service for yours", human.Shell(home), a.name)}
}

// realPath resolves links where it can.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

// lastWords is the last line that a service in the background wrote; empty where none ever was.
func (a *app) lastWords() string {
	p, err := config.FindPaths(a.env.Getenv, a.system)
	if err != nil {
		return ""
	}
	path := filepath.Join(p.State, logName)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	for _, line := range slices.Backward(strings.Split(tail(path, 0), "\n")) {
		if len(line) > len(logTime) && !strings.HasPrefix(line, "Next: ") {
			return "its last words: " + line
		}
	}
	return ""
}

// outOfReach finds a service that has our home and is not on a bus that we look at: it
// has the environment of another session. Nil where there is none.
func (a *app) outOfReach(ctx context.Context) *fault {
	p, err := config.FindPaths(a.env.Getenv, a.system)
	if err != nil {
		return nil
	}
	owner, held := doctor.ServedBy(ctx, a.clk, askLimit, p.Home)
	if !held {
		return nil
	}
	next := "call it with the XDG_RUNTIME_DIR of its session, or end it: kill " + strconv.Itoa(owner.PID)
	if strings.Contains(owner.Bus, ":") { // an address
		next = fmt.Sprintf("%s --bus %s …, or end it: kill %d", a.name, owner.Bus, owner.PID)
	}
	return &fault{code: ExitNotRunning, next: next, err: fmt.Errorf("%w here: process %d on %s has the home %s, and is on a bus that can't be found from here",
		client.ErrNotRunning, owner.PID, owner.Host, p.Home)}
}

// notRunning says so, why it ended last where the service manager knows, and what to type.
func (a *app) notRunning(ctx context.Context, err error) *fault {
	text := err.Error()
	if f := a.outOfReach(ctx); f != nil {
		return f
	}
	unit := a.unit()
	u := unit.state(ctx)
	why := u.lastEnd()
	if why == "" {
		why = a.lastWords()
	}
	if why != "" {
		text += "; " + why
	}
	next := a.name + " start --detach"
	switch {
	case u.again():
		next = "see why it ended: " + a.name + " logs -n 20"
	case u.masked():
		next = unit.typed("unmask") + ", then " + next
	case u.starting():
		next = a.name + " wait --for ready"
	case u.ended(ExitConfig):
		next = "mend that (" + a.name + " config check says where), then " + next
	}
	return &fault{code: ExitNotRunning, err: errors.New(text), next: next}
}
