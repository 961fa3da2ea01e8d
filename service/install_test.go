package service

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

// makeIn runs make in a folder, as a package's build does.
func makeIn(dir string, args ...string) (output string, err error) {
	cmd := exec.Command("make", append([]string{"-s"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// below lists all files below a folder.
func below(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func TestInstallAsksForMakeFirst(t *testing.T) {
	stage, dest := staged(t, ""), t.TempDir()
	if err := os.Remove(filepath.Join(stage, "bin", "ipfs-kit")); err != nil {
		t.Fatal(err)
	}
	if out, err := makeIn(stage, "install", "DESTDIR="+dest); err == nil || !strings.Contains(out, "run make first") {
		t.Errorf("%v: %s", err, out)
	}
	if files := below(t, dest); len(files) != 0 {
		t.Errorf("%q was installed", files)
	}
}

func TestInstallPutsEachFileWhereItIsLookedFor(t *testing.T) {
	stage := staged(t, "")
	dest := filepath.Join(t.TempDir(), "a folder with spaces & more")
	neighbour := filepath.Join(dest, "usr/share/dbus-1/system.d/other.conf")
	if err := os.MkdirAll(filepath.Dir(neighbour), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(neighbour, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one over an older one
		if out, err := makeIn(stage, "install", "DESTDIR="+dest); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	got := below(t, dest)
	for _, want := range []string{
		"/usr/local/bin/ipfs-kit", "/usr/local/bin/ipfs-kit-intelligent",
		"/usr/local/lib/systemd/system/ipfs-kit-intelligent.service", "/usr/local/lib/systemd/user/ipfs-kit-intelligent.service",
		"/usr/local/share/dbus-1/services/org.ipfskit.Intelligent1.service", "/usr/local/share/dbus-1/system-services/org.ipfskit.Intelligent1.service",
		"/usr/local/share/dbus-1/interfaces/org.ipfskit.Intelligent1.Manager.xml",
		"/usr/local/share/bash-completion/completions/ipfs-kit", "/usr/local/share/bash-completion/completions/ipfs-kit-intelligent",
		"/usr/local/share/zsh/site-functions/_ipfs-kit", "/usr/local/share/fish/vendor_completions.d/ipfs-kit.fish",
		"/usr/share/dbus-1/system.d/org.ipfskit.Intelligent1.conf", "/usr/share/polkit-1/actions/org.ipfskit.intelligent1.policy",
		"/usr/lib/sysusers.d/ipfs-kit-intelligent.conf", "/usr/lib/tmpfiles.d/ipfs-kit-intelligent.conf",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not installed", want)
		}
	}
	unit, err := os.ReadFile(filepath.Join(dest, "usr/local/lib/systemd/system/ipfs-kit-intelligent.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/usr/local/bin/ipfs-kit-intelligent run --system\n") || strings.Contains(string(unit), "@bindir@") {
		t.Errorf("the unit: %v %s", err, unit)
	}
	if out, err := makeIn(stage, "uninstall", "DESTDIR="+dest); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left := below(t, dest); len(left) != 1 || left[0] != "/usr/share/dbus-1/system.d/other.conf" {
		t.Errorf("left: %q", left)
	}
	for _, folder := range []string{"usr/local/share/doc/ipfs-kit-intelligent", "usr/local/share/ipfs-kit-intelligent"} { // which are ours alone
		if _, err := os.Stat(filepath.Join(dest, folder)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder %s is left: %v", folder, err)
		}
	}
}

func TestInstallRefusesAPrefixThatUnitsCantHold(t *testing.T) {
	stage := staged(t, "")
	for _, prefix := range []string{"usr", "/my programs", "/100%", `/a\b`, "/a$b"} {
		cmd := exec.Command(filepath.Join(stage, "scripts/install"), prefix, t.TempDir())
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "PREFIX") {
			t.Errorf("%q: %v %s", prefix, err, out)
		}
	}
}

// Wherever an installation is interrupted, each file is the old one or the new one, and none is half.
func TestInterruptedInstallLeavesNoHalfFile(t *testing.T) {
	stage, dest, tools := staged(t, ""), t.TempDir(), t.TempDir()
	if out, err := makeIn(stage, "install", "PREFIX=/usr", "DESTDIR="+dest); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := map[string]string{}
	files := below(t, dest)
	for _, f := range files {
		data, err := os.ReadFile(dest + f)
		if err != nil {
			t.Fatal(err)
		}
		whole[f] = string(data)
	}
	// A chmod that has the installation interrupted instead, when its turn has come.
	script := "#!/bin/sh\necho >>$COUNT\n[ $(wc -l <$COUNT) = $TURN ] || exec /bin/chmod \"$@\"\nkill -TERM $PPID\n"
	if err := os.WriteFile(filepath.Join(tools, "chmod"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, turn := range []string{"1", "2", "9", "17"} {
		cmd := exec.Command(filepath.Join(stage, "scripts/install"), "/usr", dest)
		cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "TURN="+turn, "COUNT="+filepath.Join(tools, turn))
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Fatalf("turn %s was not interrupted: %s", turn, out)
		}
		if got := below(t, dest); !slices.Equal(got, files) {
			t.Errorf("turn %s: the files are %q", turn, got)
		}
		for f, text := range whole {
			if data, err := os.ReadFile(dest + f); err != nil || string(data) != text {
				t.Errorf("turn %s: %s is %d bytes, %v", turn, f, len(data), err)
			}
		}
	}
}

// Root installs, and both units can be started and activated at once, also by users who are logged in.
func TestInstallIsTakenUpAtOnce(t *testing.T) {
	inBox(t, "", systemHelpers+`
loginctl enable-linger tester; uid=$(id -u tester)
await [ -S /run/user/$uid/bus ]
user() { setpriv --reuid=tester --regid=tester --clear-groups env HOME=/home/tester XDG_RUNTIME_DIR=/run/user/$uid DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus "$@"; }
user systemctl --user list-units >/dev/null
[ ! -e /usr/local/lib/systemd ] || fail "it is there already"
install PREFIX=/usr/local
ask="call org.ipfskit.Intelligent1 /org/ipfskit/Intelligent1 org.ipfskit.Intelligent1.Manager GetStatus a{sv} 0"
user busctl --user $ask >/dev/null || fail "no activation for users"
busctl $ask >/dev/null || fail "no activation for the system"
user systemctl --user start $U
systemctl start $U
user ipfs-kit-intelligent status || fail "the user's service"
ipfs-kit-intelligent --system status || fail "the system's service"
[ "$(pgrep -xc ipfs-kit-intell)" = 2 ] || fail "not two services"
for p in ipfs-kit ipfs-kit-intelligent; do bash -n /usr/local/share/bash-completion/completions/$p; done
install PREFIX=/usr/local || fail "over an older one that runs"
`)
}

// Without root, below the own home; the unit is found, and only systemd starts it.
func TestInstallWithoutRoot(t *testing.T) {
	testenv.Root(t)
	inBox(t, "", boxHelpers+`
export PATH=$HOME/.local/bin:$PATH
make -s install PREFIX=$HOME/.local
[ -x ~/.local/bin/ipfs-kit ] && [ -e ~/.local/share/systemd/user/$U.service ] && [ -e ~/.local/share/dbus-1/services/org.ipfskit.Intelligent1.service ] || fail "not there: $(find ~/.local)"
find ~/.local | grep -E 'system-services|sysusers|polkit' && fail "things of the system" || true
home; backend nas
ipfs-kit-intelligent status >/dev/null 2>&1 && fail "a command of ours started it" || [ $? = 3 ]
ipfs-kit-intelligent sync >/dev/null 2>&1 && fail "a command of ours started it" || [ $? = 3 ]
[ "$(systemctl --user is-active $U)" = inactive ] || fail "a command of ours started it"
busctl --user call org.ipfskit.Intelligent1 /org/ipfskit/Intelligent1 org.ipfskit.Intelligent1.Manager GetStatus 'a{sv}' 0 >/dev/null || fail "no activation"
case $(systemctl --user is-active $U) in activ*) ;; *) fail "it was not systemd that started it" ;; esac
systemctl --user service-log-level $U debug
[ "$(systemctl --user service-log-level $U)" = debug ] || fail "the log level"
[ "$(systemctl --user show -p MainPID --value $U)" = "$(pgrep -x ipfs-kit-intell)" ] || fail "another process"
make -s uninstall PREFIX=$HOME/.local
systemctl --user cat $U 2>/dev/null && fail "the unit is left" || true
find ~/.local -type f | grep -v '^'$HOME'/.local/state/' && fail "files are left" || true
[ -e ~/.ipfs_kit/backends/nas.yaml ] && [ -e ~/.local/state/ipfs-kit-intelligent ] || fail "data are gone"
`, "--user")
}
