package service

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/pinsync"
)

// A disk that hangs holds up the CARs that lie on it, and none on another mount.
func TestCARsOnADeadMountHoldUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mounts := []fsys.Mount{{Point: "/"}, {Point: "/mnt/dead"}, {Point: "/mnt/alive"}}
		lanes := newCarLanes("/home/me/.ipfs_kit", clock.System)
		lanes.mounts = func() ([]fsys.Mount, error) { return mounts, nil }
		returns := make(chan struct{})
		var calls atomic.Int32
		open := pinsync.InLane(lanes.of, time.Minute, func(_ context.Context, name string) (io.ReadCloser, int64, error) {
			if strings.HasPrefix(name, "/mnt/dead/") {
				calls.Add(1)
				<-returns
			}
			return io.NopCloser(strings.NewReader("x")), 1, nil
		})
		late := func(name string) bool {
			f, _, err := open(t.Context(), name)
			if err == nil {
				err = f.Close()
			}
			var overdue *backend.OverdueError
			if err != nil && !errors.As(err, &overdue) {
				t.Errorf("%s: %v", name, err)
			}
			return err != nil
		}
		if !late("/mnt/dead/a.car") || !late("/mnt/dead/b.car") || calls.Load() != 1 {
			t.Errorf("of a dead mount %d files are asked", calls.Load())
		}
		for _, name := range []string{"/mnt/alive/a.car", "/mnt/deadly/a.car", "cars/a.car", "/a.car"} {
			if late(name) {
				t.Errorf("%s is held up", name)
			}
		}
		mounts = mounts[:1]
		time.Sleep(2 * mountsFor)
		if late("/a.car"); len(lanes.points) != 2 {
			t.Errorf("lanes of what is mounted or still hangs: %v", lanes.points)
		}
		close(returns)
		synctest.Wait()
		time.Sleep(2 * mountsFor)
		if late("/a.car"); len(lanes.points) != 1 {
			t.Errorf("lanes of what is mounted: %v", lanes.points)
		}
		lanes.mounts = func() ([]fsys.Mount, error) { return nil, errors.New("no /proc") }
		if time.Sleep(2 * mountsFor); late("/b.car") {
			t.Error("without mounts nothing is read")
		}
	})
}
