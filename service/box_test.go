package service

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

// boxed runs a script as an ordinary user under a real private systemd, after
// the programs were installed there. The script's first failing line fails the test.
func boxed(t *testing.T, tags, script string) string {
	t.Helper()
	return inBox(t, tags, script, "--user", "--setup", "scripts/install /usr ''")
}

// inBox runs a script under a real private systemd, beside the built project; options are those of systemd-box.
// Such tests mostly wait, so they run beside others of their kind.
func inBox(t *testing.T, tags, script string, options ...string) string {
	t.Helper()
	t.Parallel()
	box := testenv.Box(t)
	stage := staged(t, tags)
	file := filepath.Join(stage, "script")
	if err := os.WriteFile(file, []byte("set -eu\ncd "+stage+"\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(box, append(append([]string{"--timeout", "900"}, options...), "--", "bash", "-x", file)...)
	cmd.Dir = stage
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(string(out), "\n")
		t.Fatalf("%v:\n%s", err, strings.Join(lines[max(0, len(lines)-120):], "\n"))
	}
	return string(out)
}

// staged is a copy of what make and make install need, built, where everybody may read it.
func staged(t *testing.T, tags string) (stage string) {
	t.Helper()
	source := testenv.Source(t)
	tmp, err := os.MkdirTemp("/var/tmp", "ipfs-kit-box-") // the box has a /tmp of its own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	stage = filepath.Join(tmp, "project")
	if err := os.Mkdir(stage, 0o755); err != nil {
		t.Fatal(err)
	}
	does := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	does("cp", "-r", programs(t, tags), filepath.Join(stage, "bin"))
	does("cp", "-r", filepath.Join(source, "internal/catalog/testdata/homes"), filepath.Join(stage, "homes"))
	for _, d := range []string{"scripts", "systemd", "packaging", "dbus", "docs", "Makefile", "README.md", "LICENSE"} {
		does("cp", "-r", filepath.Join(source, d), stage)
	}
	does("chmod", "-R", "a+rX", tmp)
	return stage
}

// built are the folders of the programs that were built, by the tags.
var built = struct {
	sync.Mutex
	folders map[string]string
}{folders: map[string]string{}}

// programs is a folder with both programs, built once for all tests that want the same tags.
func programs(t testing.TB, tags string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if dir, ok := built.folders[tags]; ok {
		return dir
	}
	dir, err := os.MkdirTemp("", "ipfs-kit-programs-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-tags", tags, "-o", dir+"/", "./cmd/ipfs-kit", "./cmd/ipfs-kit-intelligent")
	cmd.Dir, cmd.Env = testenv.Source(t), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, errors.Join(errors.New(string(out)), os.RemoveAll(dir)))
	}
	built.folders[tags] = dir
	return dir
}

// removePrograms removes what programs built.
func removePrograms() {
	for _, dir := range built.folders {
		os.RemoveAll(dir)
	}
}

// await runs a command again and again until it succeeds, in a script that has a function fail.
const await = `await() { for i in $(seq 3000); do "$@" && return 0; sleep 0.1; done; fail "in vain: $*"; }
`

const boxHelpers = await + `
U=ipfs-kit-intelligent
fail() { echo "FAILED: $*" >&2; journalctl --user -u $U --no-pager -n 40 >&2 || true; exit 1; }
home() { mkdir -p ~/.ipfs_kit/backend_index/dirty_metadata ~/.ipfs_kit/backends ~/.ipfs_kit/cars ~/disk; }
backend() { mkdir -p ~/disk/$1; printf 'name: %s\ntype: filesystem\nstorage_path: %s/disk/%s\n' $1 ~ $1 >~/.ipfs_kit/backends/$1.yaml; }
cleared() { grep -q '"is_dirty": false' ~/.ipfs_kit/backend_index/dirty_metadata/$1_dirty.json; }
stopped() { systemctl --user stop $U; [ "$(systemctl --user show -p Result --value $U)" = success ] || fail "it did not end by itself: $(systemctl --user show -p Result --value $U)"; }
state() { ipfs-kit-intelligent status --json | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p' | head -1; }
`

func TestUnderSystemdOnAFreshAccount(t *testing.T) {
	boxed(t, "", boxHelpers+`
systemctl --user start $U
[ "$(systemctl --user is-active $U)" = active ] || fail "not active"
ipfs-kit-intelligent status | grep -q '^waiting' || fail "not waiting: $(ipfs-kit-intelligent status)"
[ ! -e ~/.ipfs_kit ] || fail "the home was made"
home; backend nas
ipfs-kit-intelligent wait --for healthy --timeout 5m || fail "never healthy"
ipfs-kit-intelligent status
python3 scripts/touch_dirty.py --home ~ --layout both nas
await cleared nas
ls ~/disk/nas/cars/*.car || fail "no copy"
ipfs-kit daemon intelligent wait --for clean --timeout 5m
for c in "status --detailed" "status --json" insights "insights --json" health tasks errors backends "explain nas" "sync --dry-run" "sync --backend nas --wait" "config check"; do
  ipfs-kit daemon intelligent $c >/dev/null || fail "$c"
done
await eval 'journalctl --user -u $U BACKEND=nas --no-pager | grep -q "clean: its mark is cleared"'
before=$(ipfs-kit-intelligent tasks | awk 'NR==2{print $1}')
kill -9 $(systemctl --user show -p MainPID --value $U)
await eval '[ "$(systemctl --user show -p NRestarts --value $U)" = 1 ]'
ipfs-kit-intelligent wait --for ready --timeout 5m || fail "not back after kill -9"
[ "$(systemctl --user is-active $U)" = active ] || fail "not active after kill -9"
ipfs-kit-intelligent sync --backend nas --wait || fail "no sync after kill -9"
after=$(ipfs-kit-intelligent tasks | awk 'NR==2{print $1}')
[ "$after" -gt "$before" ] || fail "ids went back: $before, $after"
ipfs-kit-intelligent tasks | awk '{print $1}' | grep -qx "$before" || fail "task $before is forgotten"
stopped
ipfs-kit-intelligent status && fail "status of a stopped service is 0" || [ $? = 3 ]
ipfs-kit-intelligent stop
systemctl --user start $U
ipfs-kit-intelligent start --detach
busctl --user tree org.ipfskit.Intelligent1
busctl --user introspect org.ipfskit.Intelligent1 /org/ipfskit/Intelligent1 >/dev/null
systemctl --user reload $U
systemctl --user status $U --no-pager | grep -q 'Status: "running' || fail "no status line: $(systemctl --user status $U --no-pager)"
`)
}

// Law 9: a worker that ignores its end starves the watchdog, systemd restarts, and the work goes on.
func TestWatchdogRestartsAServiceThatIsStuck(t *testing.T) {
	boxed(t, "faults", boxHelpers+`
home; backend nas
mkdir -p ~/.config/systemd/user/$U.service.d ~/.config/ipfs-kit
# Only the first start has so little patience.
printf '[Service]\nWatchdogSec=6\nExecStopPost=/bin/rm -f %s/.config/ipfs-kit/intelligent.yaml\nEnvironment=IPFSKIT_FAULT=hang:dirty_monitor IPFSKIT_FAULT_ONCE=%s/once\n' ~ ~ >~/.config/systemd/user/$U.service.d/test.conf
printf 'supervision:\n  hang: 1s\n  grace: 1s\n  abandoned: 1\n' >~/.config/ipfs-kit/intelligent.yaml
systemctl --user daemon-reload
# The fault hits at the first start; READY never comes from a monitor that hangs before the home was read.
systemctl --user start $U || true
await eval '[ "$(systemctl --user show -p NRestarts --value $U)" -ge 1 ]'
ipfs-kit-intelligent wait --for healthy --timeout 5m || fail "not healthy after the restart"
python3 scripts/touch_dirty.py --home ~ --layout both nas
await cleared nas
await eval 'journalctl --user --no-pager | grep -i watchdog'
`)
}

// On every real home: active, all commands answer from a second process, and
// configurations, buckets and indices are never touched.
func TestUnderSystemdOnEveryRealHome(t *testing.T) {
	boxed(t, "", boxHelpers+`
keep() { (cd ~/.ipfs_kit && find . -type f ! -name '.ipfs-kit-*' ! -path './backend_index/backend_registry.parquet' ! -name '*_dirty.json' ! -name '*.dirty' ! -name pin_mappings.parquet ! -name dirty_metadata -print0 | sort -z | xargs -0 -r sha256sum); }
n=0
for a in homes/*.tar.gz; do
  name=$(basename $a .tar.gz)
  rm -rf ~/.ipfs_kit ~/.local/state/ipfs-kit-intelligent ~/x; mkdir ~/x
  tar xzf $a -C ~/x
  [ -d ~/x/$name/.ipfs_kit ] || continue
  mv ~/x/$name/.ipfs_kit ~/.ipfs_kit
  keep >~/before
  systemctl --user reset-failed $U 2>/dev/null || true
  systemctl --user start $U || fail "$name: start"
  for c in "status --detailed" "status --json" "insights" "insights --json" "tasks" "errors" "backends" "sync --dry-run"; do
    ipfs-kit daemon intelligent $c >~/out 2>&1 || fail "$name: $c: $(cat ~/out)"
  done
  ipfs-kit-intelligent health >~/out 2>&1 || [ $? = 4 ] || fail "$name: health: $(cat ~/out)"
  ipfs-kit-intelligent sync --wait --timeout 5m >~/out 2>&1 || true
  for b in $(ipfs-kit-intelligent backends | awk 'NR>1{print $1}'); do ipfs-kit-intelligent explain $b >/dev/null || fail "$name: explain $b"; done
  stopped
  keep >~/after
  diff ~/before ~/after || fail "$name: files were touched"
  n=$((n+1))
done
[ $n -ge 11 ] || fail "only $n homes"
`)
}
