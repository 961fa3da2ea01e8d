package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/config"
)

const (
	// stopLimit is how long the end of the service is waited for.
	stopLimit = 2 * time.Minute
	// killAfter is how long a clean stop may take, twice what the unit gives it.
	killAfter = 20 * time.Second
)

// stop ends the service; was says that it ran.
func (a *app) stop(ctx context.Context) (was bool, err error) {
	pid, err := a.toEnd(ctx)
	return a.stopIt(ctx, pid, err)
}

// stopIt ends the process that toEnd found, or the unit where it found none.
func (a *app) stopIt(ctx context.Context, pid uint32, err error) (was bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	u := a.unit()
	state := u.state(ctx)
	switch {
	case errors.Is(err, client.ErrNotRunning) && state.active(): // not on the bus yet, or between two tries
		err = u.systemctl(ctx, "stop")
	case errors.Is(err, client.ErrNotRunning):
		if f := a.outOfReach(ctx); f != nil {
			return false, f
		}
		a.say("It is not running.")
		return false, nil
	case err != nil:
		return false, err
	case state.mainPID() == fmt.Sprint(pid):
		err = u.systemctl(ctx, "stop")
	default:
		err = a.endProcess(ctx, int(pid), killAfter)
	}
	if err != nil {
		return true, a.notStopped(ctx, err)
	}
	a.say("Stopped.")
	return true, nil
}

// notStopped is a stop that was not done, and what to look at.
func (a *app) notStopped(ctx context.Context, err error) error {
	var f *fault
	if errors.As(err, &f) || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, unix.EPERM) {
		return &fault{code: ExitFailed, err: err, next: "end it as the user who started it, or as root"}
	}
	return &fault{code: ExitFailed, err: err, next: a.name + " logs -n 20"}
}

// toEnd is the process of the service that is to end: that of our home, also when it does not answer.
func (a *app) toEnd(ctx context.Context) (pid uint32, err error) {
	c, err := a.find(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Close() //nolint:errcheck // it was only asked
	if pid, err = c.Owner(ctx); err != nil {
		return 0, err
	}
	ask, cancel := context.WithTimeoutCause(ctx, askLimit, client.ErrSilent)
	defer cancel()
	err = a.sameHome(ask, c)
	if !errors.Is(err, client.ErrSilent) {
		return pid, err
	}
	a.note(fmt.Sprintf("The service (process %d) did not answer within %s. It is ended all the same.", pid, askLimit))
	if home := a.homeOf(int(pid)); home != "" {
		return pid, a.oursIs(home)
	}
	return pid, nil
}

// homeOf is the home that a process was started for; empty where that can't be told.
func (a *app) homeOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || a.onSystem() {
		return ""
	}
	vars := map[string]string{}
	for v := range strings.SplitSeq(string(data), "\x00") {
		if key, value, ok := strings.Cut(v, "="); ok {
			vars[key] = value
		}
	}
	p, err := config.FindPaths(func(key string) string { return vars[key] }, false)
	if named := vars["IPFS_KIT_HOME"]; err != nil || named != "" && !filepath.IsAbs(named) {
		return ""
	}
	return p.Home
}

// endProcess asks a process to end, and waits until it did: it ends its bus after it left it. One that does not is killed.
func (a *app) endProcess(ctx context.Context, pid int, patience time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(fd) //nolint:errcheck // only waited for
		// One that is stopped hears nothing else.
		err = errors.Join(unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0), unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0))
	}
	if errors.Is(err, unix.ESRCH) { // it ended by itself
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the service (process %d): %w", pid, err)
	}
	ended := make(chan struct{})
	defer whenReady(fd, unix.POLLIN, func() { close(ended) })()
	t := a.clk.NewTimer(patience)
	defer t.Stop()
	select {
	case <-ended:
		return nil
	case <-t.C:
		a.note(fmt.Sprintf("The service (process %d) did not end within %s. It is killed; its work goes on at the next start.", pid, patience))
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the service (process %d): %w", pid, ctx.Err())
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the service (process %d): %w", pid, err)
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of the service (process %d), which was killed: %w", pid, ctx.Err())
	}
}
