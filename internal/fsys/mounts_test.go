package fsys

import (
	"os"
	"path/filepath"
	"testing"
)

const someMounts = `208 172 0:41 / / ro,nosuid,relatime shared:23 - overlay overlay rw,lowerdir=/
209 208 0:44 / /proc rw,nosuid - proc proc rw
227 208 0:46 / /run rw,nosuid,relatime shared:80 - tmpfs tmpfs rw,mode=755
255 208 0:41 /home/me/.ipfs_kit /home/me/.ipfs_kit rw,nosuid shared:112 - overlay overlay rw
256 208 8:17 / /media/my\040disk ro,relatime - ext4 /dev/sdb1 ro
257 208 8:18 / /mnt rw,relatime - ext4 /dev/sdc1 rw
nonsense
258 208 8:18 / /mnt ro,relatime - ext4 /dev/sdc1 rw
`

func TestASandboxIsToldFromAFileSystemThatIsReadOnly(t *testing.T) {
	mounts := parseMounts([]byte(someMounts))
	for path, want := range map[string]bool{
		"/home/me":                        true,
		"/home/me/.ipfs_kit":              false,
		"/home/me/.ipfs_kit/backends/nas": false,
		"/home/me/.ipfs_kit2":             true,
		"/media/my disk/content":          false, // read-only itself
		"/mnt/disk":                       true,  // the later mount covers the first
		"/run/user":                       false,
	} {
		if got := HeldReadOnly(mounts, path); got != want {
			t.Errorf("%s: held %v, want %v", path, got, want)
		}
	}
	if m, ok := MountOf(mounts, "/media/my disk"); !ok || m.Point != "/media/my disk" || m.Type != "ext4" {
		t.Errorf("%+v", m)
	}
	if own, err := Mounts("self"); err != nil || len(own) == 0 {
		t.Errorf("own mounts: %v %v", own, err)
	}
}

// As systemd 252 makes them.
const hidingMounts = `208 172 0:41 / / ro,relatime shared:23 - overlay overlay rw
300 208 0:46 /systemd/inaccessible/dir /root ro,nosuid,nodev,noexec,relatime master:80 - tmpfs tmpfs rw,mode=755
301 208 0:60 / /home ro,nosuid,nodev,relatime - tmpfs tmpfs rw,mode=755
302 301 8:1 /home/me/disk /home/me/disk rw,relatime - ext4 /dev/sda1 rw
303 208 8:1 /tmp/systemd-private-1-a.service-b/tmp /tmp rw,relatime - ext4 /dev/sda1 rw
304 208 0:46 /systemd/inaccessible/dir /srv/x ro - tmpfs tmpfs rw,mode=755
305 208 0:61 / /run/user/1000 rw,nosuid - tmpfs tmpfs rw
`

func TestWhatASandboxPutsInAFoldersPlaceIsNamed(t *testing.T) {
	mounts := parseMounts([]byte(hidingMounts))
	for path, want := range map[string]string{
		"/root/disk": "ProtectHome=yes", "/home/me": "ProtectHome=tmpfs", "/home/me/disk/x": "", "/tmp/x": "PrivateTmp=yes",
		"/srv/x": "InaccessiblePaths=", "/srv/y": "", "/run/user/1000/x": "",
	} {
		if got := Hidden(mounts, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestLinksAreFollowedAsFarAsTheyCanBeSeen(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"rel": "a", "abs": dir + "/a/b", "a/up": "../rel/b", "gone": "/no/such/../folder", "loop": "loop", "a/file": "/dev/null"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"a/b": "a/b", "rel/b/": "a/b", "abs": "a/b", "rel//./up": "a/b", "rel/b/../b": "a/b", "abs/not/there": "a/b/not/there", "a/none/../x": "a/x",
	} {
		if got := Resolve(dir + "/" + name); got != dir+"/"+want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := Resolve(dir + "/gone/x"); got != "/no/folder/x" {
		t.Errorf("behind a link that leads to nothing: %s", got)
	}
	if got := Resolve(dir + "/loop/x"); got != dir+"/loop/x" {
		t.Errorf("a link to itself: %s", got)
	}
	if got := Resolve(dir + "/a/file/x"); got != "/dev/null/x" {
		t.Errorf("below a file: %s", got)
	}
}

func FuzzMounts(f *testing.F) {
	f.Add([]byte(someMounts), "/home/me")
	f.Fuzz(func(_ *testing.T, data []byte, path string) {
		HeldReadOnly(parseMounts(data), path)
		Hidden(parseMounts(data), path)
	})
}
