package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// at configures a backend at a folder.
func (w *world) at(name, path string) {
	w.configure(name, "type: filesystem\nstorage_path: %q\n", path)
}

func TestTwoBackendsOnOneFolderAreFound(t *testing.T) {
	disk := func(w *world) string { return filepath.Join(w.dir, "disks/nas") }
	for how, seed := range map[string]func(*world){
		"the same path":       func(w *world) { w.at("other", disk(w)) },
		"written differently": func(w *world) { w.at("other", w.dir+"/disks/../disks//nas/") },
		"through a link": func(w *world) {
			if err := os.Symlink(disk(w), filepath.Join(w.dir, "link")); err != nil {
				w.t.Fatal(err)
			}
			w.at("other", filepath.Join(w.dir, "link"))
		},
		"through a link above": func(w *world) {
			if err := os.Symlink("disks", filepath.Join(w.dir, "link")); err != nil {
				w.t.Fatal(err)
			}
			w.at("other", filepath.Join(w.dir, "link/nas"))
		},
		"through a bind mount": func(w *world) {
			testenv.Root(w.t)
			w.at("other", w.mkdir(filepath.Join(w.dir, "bound")))
			w.mount(disk(w), filepath.Join(w.dir, "bound"), "", unix.MS_BIND, "")
		},
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.filesystem("beside")
			w.filesystem("nas2")
			w.misses("shared-root")
			seed(w)
			f := w.finds("shared-root")
			if f.Severity != status.SeverityError || f.Subject != "other" || !strings.Contains(f.What, "nas and other") || !strings.Contains(f.Why, disk(w)) ||
				!strings.Contains(f.Mend, filepath.Join(w.home, "backends/other.yaml")) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestABackendAtTheHomeIsFoundThroughALink(t *testing.T) {
	w := newWorld(t)
	if err := os.Symlink(".ipfs_kit", filepath.Join(w.dir, "link")); err != nil {
		t.Fatal(err)
	}
	w.at("within", w.mkdir(filepath.Join(w.home, "disk"))) // that is no trouble
	w.misses("shared-root")
	w.at("odd", filepath.Join(w.dir, "link"))
	if f := w.finds("shared-root"); f.Subject != "odd" || f.Severity != status.SeverityError || !strings.Contains(f.What, "the home itself") {
		t.Errorf("%+v", f)
	}
}

func TestABackendInsideOfAnotherIsFound(t *testing.T) {
	w := newWorld(t)
	root := filepath.Join(w.dir, "disks/nas")
	w.at("inner", w.mkdir(filepath.Join(root, "some/where")))
	w.at("innermost", w.mkdir(filepath.Join(root, "some/where/else")))
	var told []string
	for _, f := range w.run().Findings {
		if f.Code == "shared-root" {
			told = append(told, f.Severity+" "+f.What)
		}
	}
	want := "warning the folder of backend inner lies in that of nas, warning the folder of backend innermost lies in that of inner"
	if got := strings.Join(told, ", "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// The mend: another folder, or one backend less.
	w.filesystem("inner")
	w.configure("innermost", "type: filesystem\nenabled: false\nstorage_path: %q\n", filepath.Join(root, "some/where/else"))
	w.misses("shared-root")
}

// Of many at one folder each is told once, and not each with each.
func TestManyBackendsOnOneFolderAreToldOnceEach(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.at(name, filepath.Join(w.dir, "disks/nas"))
	}
	n := 0
	for _, code := range codes(w.run()) {
		if code == "shared-root" {
			n++
		}
	}
	if n != 3 {
		t.Errorf("told %d times", n)
	}
}

// Addresses that make no sense are no common place.
func TestTwoNodesWhoseAddressesMakeNoSenseAreNotOne(t *testing.T) {
	w := newWorld(t)
	w.configure("one", "type: ipfs\napi_url: ftp://one\n")
	w.configure("two", "type: ipfs\napi_url: ftp://two\n")
	w.finds("backend-misconfigured")
	w.misses("shared-node")
}
