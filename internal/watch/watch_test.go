package watch

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var layout = Layout{Fixed: []string{".", "index/marks", "backends"}, Parent: "backends", Children: []string{"dirty_metadata"}}

// recorder collects changes.
type recorder struct {
	mu   sync.Mutex
	seen []Change
	news chan struct{}
}

func (r *recorder) out(c Change) {
	r.mu.Lock()
	r.seen = append(r.seen, c)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// wait returns when a change came that is wanted.
func (r *recorder) wait(t *testing.T, what string, want func(Change) bool) {
	t.Helper()
	limit := time.After(5 * time.Minute)
	for {
		r.mu.Lock()
		for i, c := range r.seen {
			if want(c) {
				r.seen = r.seen[i+1:]
				r.mu.Unlock()
				return
			}
		}
		r.mu.Unlock()
		select {
		case <-r.news:
		case <-limit:
			t.Fatalf("no word of %s; seen %v", what, r.seen)
		}
	}
}

func (r *recorder) name(t *testing.T, rel string) {
	t.Helper()
	r.wait(t, rel, func(c Change) bool { return c.Rel == rel })
}

func start(t *testing.T, o Options) (*Watcher, *recorder) {
	t.Helper()
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Sweep == 0 {
		o.Sweep = time.Hour
	}
	o.Layout = layout
	r := &recorder{news: make(chan struct{}, 1)}
	w := New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, r.out, func() {}, func() {}) //nolint:errcheck // it ends with its context
	}()
	t.Cleanup(func() { cancel(); <-done })
	r.wait(t, "the home", func(c Change) bool { return c.Home })
	return w, r
}

func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"index/marks", "backends/nas"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(path+time.Now().String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWritesInPlaceAndByRenameAreSeen(t *testing.T) {
	dir := home(t)
	_, r := start(t, Options{Home: dir})
	mark := filepath.Join(dir, "index/marks/a.json")
	write(t, mark)
	r.name(t, "index/marks/a.json")
	write(t, mark+".tmp")
	if err := os.Rename(mark+".tmp", mark); err != nil {
		t.Fatal(err)
	}
	r.name(t, "index/marks/a.json.tmp")
	r.name(t, "index/marks/a.json")
	write(t, filepath.Join(dir, "backends/nas/dirty_metadata"))
	r.name(t, "backends/nas/dirty_metadata")
}

func TestRightsThatAreTakenAndGivenBackAreSeen(t *testing.T) {
	dir := home(t)
	config := filepath.Join(dir, "backends/nas.yaml")
	write(t, config)
	_, r := start(t, Options{Home: dir})
	for _, mode := range []os.FileMode{0, 0o600} {
		if err := os.Chmod(config, mode); err != nil {
			t.Fatal(err)
		}
		r.name(t, "backends/nas.yaml")
	}
}

func TestFoldersThatComeAndAreReplacedAreFollowed(t *testing.T) {
	dir := home(t)
	_, r := start(t, Options{Home: dir})
	if err := os.MkdirAll(filepath.Join(dir, "backends/new/dirty_metadata"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "the new folder", func(c Change) bool { return c.Rel == "backends/new/dirty_metadata" || c.Rel == "backends/new" })
	for i := range 100 { // the watch of a new folder stands a moment after the folder
		write(t, filepath.Join(dir, "backends/new/dirty_metadata", fmt.Sprint(i)))
	}
	r.name(t, "backends/new/dirty_metadata/99")
	if err := os.Rename(filepath.Join(dir, "index"), filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "backends/new")); err != nil {
		t.Fatal(err)
	}
	r.name(t, "backends/new")
	if err := os.MkdirAll(filepath.Join(dir, "backends/new"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.name(t, "backends/new")
	write(t, filepath.Join(dir, "backends/new/dirty_metadata"))
	r.name(t, "backends/new/dirty_metadata")
}

func TestHomeThatComesAndGoesIsSeen(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "deep", "home")
	_, r := start(t, Options{Home: dir, Sweep: 50 * time.Millisecond})
	if err := os.MkdirAll(filepath.Join(dir, "index/marks"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "the home that came", func(c Change) bool { return c.Home && c.There })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "the home that went", func(c Change) bool { return c.Home && !c.There })
}

func TestOwnWritesAreNoNews(t *testing.T) {
	dir := home(t)
	_, r := start(t, Options{Home: dir, IsOwn: func(rel string, _ fs.FileInfo) bool { return rel == "index/marks/own" }})
	write(t, filepath.Join(dir, "index/marks/own"))
	write(t, filepath.Join(dir, "index/marks/foreign"))
	r.name(t, "index/marks/foreign")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.seen {
		if c.Rel == "index/marks/own" {
			t.Error("an echo was told")
		}
	}
}

func TestBeyondTheLimitOfWatchesTheSweepGoesOn(t *testing.T) {
	dir := home(t)
	for i := range 20 {
		if err := os.MkdirAll(filepath.Join(dir, "backends", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w, r := start(t, Options{Home: dir, MaxWatches: 5, Sweep: 20 * time.Millisecond})
	r.wait(t, "the sweep", func(c Change) bool { return c.Everything })
	if s := w.Stats(); s.Watched != 5 || s.Unwatched < 15 {
		t.Errorf("%+v", s)
	}
}

func TestTwoHundredMarksAtOnceAreAllTold(t *testing.T) {
	dir := home(t)
	_, r := start(t, Options{Home: dir})
	for i := range 200 {
		write(t, filepath.Join(dir, "index/marks", fmt.Sprint(i)))
	}
	for i := range 200 {
		want := fmt.Sprintf("index/marks/%d", i)
		r.wait(t, want, func(c Change) bool { return c.Rel == want })
	}
}

// TestAHomeThatWasReplacedIsFollowed: by another folder under its own name, or
// by a replaced folder above it.
func TestAHomeThatWasReplacedIsFollowed(t *testing.T) {
	for _, moved := range []string{"u/home", "u"} {
		top := t.TempDir()
		for _, d := range []string{"u/home/index/marks", "new/u/home/index/marks"} {
			if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		w, r := start(t, Options{Home: filepath.Join(top, "u/home"), Sweep: 50 * time.Millisecond})
		if err := os.Rename(filepath.Join(top, moved), filepath.Join(top, "old")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(top, "new", moved), filepath.Join(top, moved)); err != nil {
			t.Fatal(err)
		}
		r.wait(t, "the old home that went", func(c Change) bool { return c.Home && !c.There })
		r.wait(t, "the new home", func(c Change) bool { return c.Home && c.There })
		write(t, filepath.Join(top, "u/home/index/marks/a"))
		r.name(t, "index/marks/a")
		if n := w.Stats().Watched; n != 2 {
			t.Errorf("%d folders are watched", n)
		}
	}
}

func TestThousandsOfNewBackendsAreAllHeard(t *testing.T) {
	dir := home(t)
	_, r := start(t, Options{Home: dir})
	const n = 3000
	for i := range n {
		if err := os.Mkdir(filepath.Join(dir, "backends", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	last := fmt.Sprintf("backends/%d", n-1)
	r.wait(t, last, func(c Change) bool { return c.Rel == last || c.Everything })
}

func TestNeighboursOfTheHomeAreNoNews(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "home")
	_, r := start(t, Options{Home: dir})
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "the home", func(c Change) bool { return c.Home && c.There })
	for i := range 50 {
		write(t, filepath.Join(parent, fmt.Sprint(i)))
	}
	write(t, filepath.Join(dir, "end"))
	r.wait(t, "the end", func(c Change) bool {
		if c.Home {
			t.Error("a neighbour was taken for the home")
		}
		return c.Rel == "end"
	})
}

func TestFoldersThatWentAreNotCountedAsUnwatched(t *testing.T) {
	dir := home(t)
	for i := range 20 {
		if err := os.MkdirAll(filepath.Join(dir, "backends", fmt.Sprint(i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w, r := start(t, Options{Home: dir, MaxWatches: 4})
	before := w.Stats().Unwatched
	for i := range 20 {
		rel := filepath.Join("backends", fmt.Sprint(i))
		if err := os.Remove(filepath.Join(dir, rel)); err != nil {
			t.Fatal(err)
		}
		r.name(t, rel)
	}
	if s := w.Stats(); before < 15 || s.Unwatched > 1 {
		t.Errorf("%d before, then %+v", before, s)
	}
}

func TestLostEventsMakeEverythingBeLookedAt(t *testing.T) {
	dir := home(t)
	w, r := start(t, Options{Home: dir})
	w.fs.Errors <- fsnotify.ErrEventOverflow
	r.wait(t, "everything", func(c Change) bool { return c.Everything && !c.Sweep })
	write(t, filepath.Join(dir, "index/marks/after"))
	r.name(t, "index/marks/after")
}

// A folder may come with all that is in it: what lies deeper was written before any watch stood.
func TestWhatLiesInAFolderThatComesWholeIsTold(t *testing.T) {
	dir, aside := t.TempDir(), t.TempDir()
	_, r := start(t, Options{Home: dir})
	if err := os.MkdirAll(filepath.Join(aside, "index/marks"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(aside, "index/marks/a.json"))
	if err := os.Rename(filepath.Join(aside, "index"), filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	r.name(t, "index/marks/a.json")
	write(t, filepath.Join(dir, "index/marks/b.json"))
	r.name(t, "index/marks/b.json")
}

// The service holds the home open, and the kernel then does not tell that it was removed.
func TestAHomeThatIsRemovedWhileItIsHeldOpenIsMissedAtOnce(t *testing.T) {
	dir := filepath.Join(home(t), "home")
	if err := os.MkdirAll(filepath.Join(dir, "backends"), 0o755); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close() //nolint:errcheck // only held
	_, r := start(t, Options{Home: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "its end", func(c Change) bool { return c.Home && !c.There })
}
