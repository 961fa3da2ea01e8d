package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/config"
)

// lookAgain is how long news may be missing before it is looked all the same.
const lookAgain = 15 * time.Second

// appear waits for the service to come to a bus; ended tells that it never will, and why.
func (a *app) appear(ctx context.Context, ended <-chan error) (*client.Client, error) {
	for {
		hear, stop := a.arrivals(ctx)
		c, err := a.find(ctx)
		if err == nil || !errors.Is(err, client.ErrNotRunning) {
			stop()
			return c, err
		}
		t := a.clk.NewTimer(lookAgain)
		select {
		case <-hear:
		case <-t.C:
		case why := <-ended:
			err = why
		case <-ctx.Done():
			err = fmt.Errorf("wait for the service, which does not run: %w", ctx.Err())
		}
		t.Stop()
		stop()
		if !errors.Is(err, client.ErrNotRunning) {
			return nil, err
		}
	}
}

// comes waits for the service of our home to come to a bus.
func (a *app) comes(ctx context.Context) (*client.Client, error) {
	c, err := a.appear(ctx, nil)
	if err != nil {
		return nil, err
	}
	if err := a.sameHome(ctx, c); err != nil {
		c.Close() //nolint:errcheck // it was only asked
		return nil, err
	}
	return c, nil
}

// arrivals hears of all that can mean that the service came: an owner of its
// name on a bus that is there, and a bus that is new where one may be.
func (a *app) arrivals(ctx context.Context) (hear <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	news := make(chan struct{}, 1)
	tell := func() {
		select {
		case news <- struct{}{}:
		default: // it is known already
		}
	}
	var wg sync.WaitGroup
	for _, address := range a.buses() {
		dctx, done := context.WithTimeout(ctx, dialLimit)
		c, err := client.Dial(dctx, address)
		done()
		if err != nil {
			continue
		}
		wg.Go(func() {
			defer c.Close() //nolint:errcheck // it was only asked
			if c.WaitOwned(ctx) == nil {
				tell()
			}
		})
	}
	if w, err := fsnotify.NewWatcher(); err == nil {
		for _, dir := range a.socketFolders() {
			w.Add(dir) //nolint:errcheck // a folder that is not there is made below one that is
		}
		wg.Go(func() {
			defer w.Close() //nolint:errcheck // nothing was written
			select {
			case <-w.Events: // each one: a socket answers only when its mode is changed, after it was made
				tell()
			case <-w.Errors:
				tell()
			case <-ctx.Done():
			}
		})
	}
	return news, func() { cancel(); wg.Wait() }
}

// socketFolders are where the socket of a bus may come up, and the folder above.
func (a *app) socketFolders() []string {
	var out []string
	if run := a.env.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		out = append(out, run)
	}
	p, err := config.FindPaths(a.env.Getenv, a.system)
	if err != nil {
		return out
	}
	if _, err := os.Stat(p.Runtime); err == nil {
		return append(out, p.Runtime)
	}
	return append(out, filepath.Dir(p.Runtime))
}
