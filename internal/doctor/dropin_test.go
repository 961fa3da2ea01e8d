package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/testenv"
)

func TestTheDropInNamesTheHomeTheStateAndEachFolder(t *testing.T) {
	w := newWorld(t)
	w.configure("odd", "type: filesystem\nstorage_path: '/mnt/my \"disk\" at 100%%'\n")
	w.configure("kubo", "type: ipfs\n")
	w.o.Paths.State = "/var/somewhere/state $x"
	text, err := DropIn(t.Context(), w.o)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"PrivateUsers=yes", "ProtectSystem=strict", "ReadWritePaths=-" + w.home, `ReadWritePaths="-/var/somewhere/state $x"`,
		`ReadWritePaths="-/mnt/my \"disk\" at 100%%"`, "ReadWritePaths=-%t", "ReadWritePaths=-" + filepath.Join(w.dir, "disks/nas"),
		`ExecStartPre=+/bin/mkdir -p -m 700 "/var/somewhere/state $$x"`} {
		if !slices.Contains(strings.Split(text, "\n"), line) {
			t.Errorf("%s is missing in\n%s", line, text)
		}
	}
	if strings.Contains(text, "%h") || strings.Contains(text, "PrivateTmp=yes") { // the test's own folders lie in /tmp
		t.Errorf("of another home, or without its /tmp:\n%s", text)
	}
}

func TestTheDropInOfAHomeThatIsNotThereNamesItAllTheSame(t *testing.T) {
	o := Options{Clock: clock.System, Paths: config.Paths{Home: "/nowhere/home", State: "/nowhere/state"}}
	text, err := DropIn(t.Context(), o)
	if err != nil || !strings.Contains(text, "ReadWritePaths=-/nowhere/home\n") || !strings.Contains(text, "PrivateTmp=yes\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

// What counts is where a folder lies, not where the link to it does.
func TestTheDropInLeavesTheTemporaryFoldersToALinkThatLeadsThere(t *testing.T) {
	dir, err := os.MkdirTemp(".", "linked-") // not below /tmp, as the test's own folders are
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "home/backends"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	o := Options{Clock: clock.System, Paths: config.Paths{Home: filepath.Join(dir, "home"), State: filepath.Join(dir, "state")}}
	for to, want := range map[string]string{dir: "PrivateTmp=yes\n", t.TempDir(): "PrivateTmp=no\n"} {
		if err := errors.Join(os.RemoveAll(link), os.Symlink(to, link),
			os.WriteFile(filepath.Join(dir, "home/backends/nas.yaml"), []byte("type: filesystem\nstorage_path: "+link+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
		text, err := DropIn(t.Context(), o)
		if err != nil || !fsys.BelowTemporary(dir) && !strings.Contains(text, want) || !strings.Contains(text, "ReadWritePaths=-"+link+"\n") {
			t.Errorf("a link to %s: %v\n%s", to, err, text)
		}
	}
}

func TestTheDropInIsPutInPlaceWholeAndReadByTheManager(t *testing.T) {
	w := newWorld(t)
	file, err := InstallDropIn(t.Context(), w.o, "[Service]\n")
	if err == nil || !strings.Contains(err.Error(), file) || file == "" {
		t.Errorf("without a manager: %q %v", file, err)
	}
	reloads := 0
	w.o.Systemctl = func(_ context.Context, args ...string) (string, error) {
		if fmt.Sprint(args) != "[daemon-reload]" {
			return "", errors.New("asked for something else")
		}
		reloads++
		return "", nil
	}
	if file, err = InstallDropIn(t.Context(), w.o, "[Service]\nPrivateUsers=yes\n"); err != nil || reloads != 1 {
		t.Fatal(err, reloads)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 || file != filepath.Join(w.dir, ".config/systemd/user/ipfs-kit-intelligent.service.d/hardened.conf") {
		t.Errorf("%s: %v %v", file, entries, err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "[Service]\nPrivateUsers=yes\n" {
		t.Errorf("%q %v", data, err)
	}
}

func TestWhatTheSandboxHidesIsTold(t *testing.T) {
	held := []fsys.Mount{{Point: "/", ReadOnly: true}, {Point: "/home/me/.ipfs_kit"}}
	own := []fsys.Mount{{Point: "/"}}
	strict := map[string]string{"ProtectSystem": "strict", "ProtectHome": "read-only", "PrivateTmp": "yes", "ReadWritePaths": `-/home/me/.ipfs_kit "-/mnt/my disk" -/late`}
	for _, c := range []struct {
		path  string
		box   box
		why   string // some of its words
		named bool
	}{
		{"/home/me/.ipfs_kit", box{strict, own, held}, "", false},
		{"/mnt/my disk/x", box{props: strict}, "", false},
		{"/mnt/other", box{props: strict}, "no ReadWritePaths=", false},
		{"/tmp/x", box{props: strict}, "PrivateTmp=yes", false},
		{"/late", box{strict, own, held}, "was not there when the service started", true},
		{"/late", box{strict, held, held}, "", false}, // held outside as well: not the sandbox
		{"/mnt/other", box{props: map[string]string{"ProtectSystem": "no", "ProtectHome": "no", "PrivateTmp": "no"}}, "", false},
		{"/usr/x", box{props: map[string]string{"ProtectSystem": "full"}}, "ProtectSystem=full", false},
		{"/home/x", box{props: map[string]string{"ProtectHome": "read-only"}}, "ProtectHome=read-only", false},
		{"/home/x", box{props: map[string]string{"ProtectHome": "tmpfs", "ReadWritePaths": "/home/x"}}, "ProtectHome=tmpfs hides", false},
		// What is put into the sandbox is seen there, whatever is hidden around it.
		{"/home/x/y", box{props: map[string]string{"ProtectHome": "tmpfs", "ProtectSystem": "strict", "BindPaths": "-/home/x:/home/x:rbind /a:/b:rbind"}}, "", false},
		{"/tmp/x", box{props: map[string]string{"PrivateTmp": "yes", "ProtectSystem": "strict", "BindPaths": "-/tmp/x:/tmp/x:rbind"}}, "", false},
		{"/home/y", box{props: map[string]string{"ProtectHome": "tmpfs", "BindPaths": "/home/x:/home/x:rbind"}}, "ProtectHome=tmpfs hides", false},
		{"/home/x", box{map[string]string{"ProtectHome": "tmpfs", "BindPaths": "/home/x:/home/x:rbind"}, own, []fsys.Mount{{Point: "/"}, {Point: "/home", Type: "tmpfs", ReadOnly: true}}},
			"the sandbox was another one then", true},
	} {
		if why, named := c.box.hides(c.path, c.path, true); named != c.named || !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
			t.Errorf("%s in %v: %q %v, want %q %v", c.path, c.box.props, why, named, c.why, c.named)
		}
	}
	w := newWorld(t)
	w.unit("ProtectSystem=no", "ProtectHome=no", "PrivateTmp=no", "ReadWritePaths=")
	w.misses("path-hidden-by-sandbox")
	w.unit("ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=no", "ReadWritePaths=-"+w.home)
	if f := w.finds("path-hidden-by-sandbox"); f.Subject != "nas" {
		t.Errorf("%+v", f)
	}
}

// The folder behind a link is what the sandbox hides, and what is named to mend it.
func TestALinkIntoWhatTheSandboxHidesIsToldWithWhereItLeads(t *testing.T) {
	w := newWorld(t)
	if err := os.Symlink("/home/nobody-here/disk", filepath.Join(w.dir, "link")); err != nil {
		t.Fatal(err)
	}
	w.at("linked", filepath.Join(w.dir, "link"))
	w.o.System = true
	w.unit("ProtectSystem=no", "ProtectHome=yes", "PrivateTmp=no", "ReadWritePaths=")
	f := w.finds("path-hidden-by-sandbox")
	if f.Subject != "linked" || !strings.Contains(f.What, "which leads to /home/nobody-here/disk") || !strings.Contains(f.Mend, "ProtectHome=tmpfs and BindPaths=-/home/nobody-here/disk;") {
		t.Errorf("%+v", f)
	}
}

func TestAHomeThatHangsEndsTheLookInTime(t *testing.T) {
	testenv.Root(t)
	w := newWorld(t)
	w.misses("home-hangs")
	w.o.Read, w.o.Probe = time.Second, time.Second
	revive := w.kill(w.home)
	w.finds("home-hangs")
	revive()
}

func TestALookThatIsEndedSaysThatItIsNotWhole(t *testing.T) {
	w := newWorld(t)
	w.misses("not-all-looked-at")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d := Run(ctx, w.o); d.Healthy || !slices.ContainsFunc(codes(d), func(c string) bool { return c == "not-all-looked-at" }) {
		t.Errorf("%+v", d)
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`-/a "-/b c" "d\"e\\f"`)
	f.Fuzz(func(_ *testing.T, text string) { words(text) })
}

func TestListsOfSystemctlAreReadWithQuotes(t *testing.T) {
	if got := words(`-/a  "-/b c" "d\"e\\f" ""`); !slices.Equal(got, []string{"-/a", "-/b c", `d"e\f`, ""}) {
		t.Errorf("%q", got)
	}
}
