package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
func inBox(t *testing.T, tags, script string, options ...string) string {
	t.Helper()
	box := testenv.Box(t)
	stage := staged(t, tags)
	file := filepath.Join(stage, "script")
	if err := os.WriteFile(file, []byte("set -eu\ncd "+stage+"\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(box, append(append([]string{"--timeout", "120"}, options...), "--", "bash", "-x", file)...)
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
	bin := filepath.Join(stage, "bin")
	for _, p := range []string{"ipfs-kit", "ipfs-kit-intelligent"} {
		cmd := exec.Command("go", "build", "-tags", tags, "-o", bin+"/", "./cmd/"+p)
		cmd.Dir, cmd.Env = source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := exec.Command("cp", "-r", filepath.Join(source, "internal/catalog/testdata/homes"), filepath.Join(stage, "homes")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, d := range []string{"scripts", "systemd", "packaging", "dbus", "docs", "Makefile", "README.md", "LICENSE"} {
		if out, err := exec.Command("cp", "-r", filepath.Join(source, d), stage).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := exec.Command("chmod", "-R", "a+rX", tmp).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return stage
}

const boxHelpers = `
U=ipfs-kit-intelligent
fail() { echo "FAILED: $*" >&2; journalctl --user -u $U --no-pager -n 40 >&2 || true; exit 1; }
home() { mkdir -p ~/.ipfs_kit/backend_index/dirty_metadata ~/.ipfs_kit/backends ~/.ipfs_kit/cars ~/disk; }
backend() { mkdir -p ~/disk/$1; printf 'name: %s\ntype: filesystem\nstorage_path: %s/disk/%s\n' $1 ~ $1 >~/.ipfs_kit/backends/$1.yaml; }
state() { ipfs-kit-intelligent status --json | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p' | head -1; }
`

func TestUnderSystemdOnAFreshAccount(t *testing.T) {
	boxed(t, "", boxHelpers+`
systemctl --user start $U
[ "$(systemctl --user is-active $U)" = active ] || fail "not active"
ipfs-kit-intelligent status | grep -q '^waiting' || fail "not waiting: $(ipfs-kit-intelligent status)"
[ ! -e ~/.ipfs_kit ] || fail "the home was made"
home; backend nas
ipfs-kit-intelligent wait --for healthy --timeout 20s || fail "never healthy"
ipfs-kit-intelligent status
python3 scripts/touch_dirty.py --home ~ --layout both nas
for i in $(seq 100); do ls ~/disk/nas/cars/*.car >/dev/null 2>&1 && grep -q '"is_dirty": false' ~/.ipfs_kit/backend_index/dirty_metadata/nas_dirty.json && break; sleep 0.1; done
grep -q '"is_dirty": false' ~/.ipfs_kit/backend_index/dirty_metadata/nas_dirty.json || fail "the mark is not cleared"
ls ~/disk/nas/cars/*.car || fail "no copy"
ipfs-kit daemon intelligent wait --for clean --timeout 10s
for c in "status --detailed" "status --json" insights "insights --json" health tasks errors backends "explain nas" "sync --dry-run" "sync --backend nas --wait" "config check"; do
  ipfs-kit daemon intelligent $c >/dev/null || fail "$c"
done
journalctl --user -u $U BACKEND=nas --no-pager | grep -q 'clean: its mark is cleared' || fail "the journal does not tell the story"
before=$(ipfs-kit-intelligent tasks | awk 'NR==2{print $1}')
kill -9 $(systemctl --user show -p MainPID --value $U)
sleep 2
ipfs-kit-intelligent wait --for ready --timeout 20s || fail "not back after kill -9"
[ "$(systemctl --user is-active $U)" = active ] || fail "not active after kill -9"
ipfs-kit-intelligent sync --backend nas --wait || fail "no sync after kill -9"
after=$(ipfs-kit-intelligent tasks | awk 'NR==2{print $1}')
[ "$after" -gt "$before" ] || fail "ids went back: $before, $after"
ipfs-kit-intelligent tasks | awk '{print $1}' | grep -qx "$before" || fail "task $before is forgotten"
s=$(date +%s%N); systemctl --user stop $U; e=$(( ($(date +%s%N)-s)/1000000 ))
[ $e -lt 5000 ] || fail "the stop took $e ms"
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
printf '[Service]\nWatchdogSec=4\nEnvironment=IPFSKIT_FAULT=hang:dirty_monitor IPFSKIT_FAULT_ONCE=%s/once\n' ~ >~/.config/systemd/user/$U.service.d/test.conf
printf 'supervision:\n  hang: 1s\n  grace: 1s\n  abandoned: 1\n' >~/.config/ipfs-kit/intelligent.yaml
systemctl --user daemon-reload
# The fault hits at the first start; READY never comes from a monitor that hangs before the home was read.
systemctl --user start $U || true
for i in $(seq 300); do [ "$(systemctl --user show -p NRestarts --value $U)" -ge 1 ] && break; sleep 0.1; done
[ "$(systemctl --user show -p NRestarts --value $U)" -ge 1 ] || [ -e ~/once ] || fail "never restarted"
ipfs-kit-intelligent wait --for healthy --timeout 30s || fail "not healthy after the restart"
python3 scripts/touch_dirty.py --home ~ --layout both nas
for i in $(seq 100); do grep -q '"is_dirty": false' ~/.ipfs_kit/backend_index/dirty_metadata/nas_dirty.json && break; sleep 0.1; done
grep -q '"is_dirty": false' ~/.ipfs_kit/backend_index/dirty_metadata/nas_dirty.json || fail "the work does not go on"
journalctl --user --no-pager | grep -iE 'watchdog' || fail "no word of the watchdog"
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
  s=$(date +%s%N); systemctl --user start $U || fail "$name: start"; e=$(( ($(date +%s%N)-s)/1000000 ))
  [ $e -lt 5000 ] || fail "$name: active after $e ms"
  for c in "status --detailed" "status --json" "insights" "insights --json" "tasks" "errors" "backends" "sync --dry-run"; do
    ipfs-kit daemon intelligent $c >~/out 2>&1 || fail "$name: $c: $(cat ~/out)"
  done
  ipfs-kit-intelligent health >~/out 2>&1 || [ $? = 4 ] || fail "$name: health: $(cat ~/out)"
  ipfs-kit-intelligent sync --wait --timeout 20s >~/out 2>&1 || true
  for b in $(ipfs-kit-intelligent backends | awk 'NR>1{print $1}'); do ipfs-kit-intelligent explain $b >/dev/null || fail "$name: explain $b"; done
  s=$(date +%s%N); systemctl --user stop $U; e=$(( ($(date +%s%N)-s)/1000000 ))
  [ $e -lt 5000 ] || fail "$name: stopped after $e ms"
  keep >~/after
  diff ~/before ~/after || fail "$name: files were touched"
  n=$((n+1))
done
[ $n -ge 11 ] || fail "only $n homes"
`)
}
