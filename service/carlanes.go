package service

import (
	"path/filepath"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys"
)

// carLanes has a lane for each mount that CARs which mappings name lie on: a disk that hangs
// holds up what lies on it, and no other. The mount is told by the path alone, without touching
// the disk: what a link leads to counts for where the link lies.
type carLanes struct {
	// home is where relative names begin.
	home   string
	clk    clock.Clock
	mounts func() ([]fsys.Mount, error)

	mu     sync.Mutex
	known  []fsys.Mount
	read   time.Time
	points map[string]*backend.Lane
}

// mountsFor is how long the mounts count as known: a sync opens thousands of files.
const mountsFor = time.Second

func newCarLanes(home string, clk clock.Clock) *carLanes {
	return &carLanes{home: home, clk: clk, mounts: func() ([]fsys.Mount, error) { return fsys.Mounts("self") }, points: map[string]*backend.Lane{}}
}

// of gives the lane of a file; of all together where nothing tells the mounts.
func (c *carLanes) of(name string) *backend.Lane {
	if !filepath.IsAbs(name) {
		name = filepath.Join(c.home, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
	m, _ := fsys.MountOf(c.known, name)
	lane := c.points[m.Point]
	if lane == nil {
		lane = backend.NewLane(carReaders, c.clk)
		c.points[m.Point] = lane
	}
	return lane
}

// refresh reads the mounts anew where that is due, and drops the lanes of those that are gone and in which nothing
// runs. The caller holds mu.
func (c *carLanes) refresh() {
	now := c.clk.Now()
	if age := now.Sub(c.read); !c.read.IsZero() && age >= 0 && age < mountsFor {
		return
	}
	known, err := c.mounts()
	if err != nil {
		return // what was known is the best guess
	}
	c.known, c.read = known, now
	points := map[string]bool{}
	for _, m := range known {
		points[m.Point] = true
	}
	for point, lane := range c.points {
		if !points[point] && lane.Idle() {
			delete(c.points, point)
		}
	}
}
