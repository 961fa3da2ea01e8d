package service

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

const systemHelpers = `
U=ipfs-kit-intelligent
fail() { echo "FAILED: $*" >&2; systemctl status $U --no-pager >&2; journalctl --no-pager -n 40 >&2 || true; exit 1; }
run() { setpriv --reuid=$1 --regid=$1 --clear-groups env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS HOME=/ "${@:2}"; } # as another user
` + await + `kit() { ipfs-kit-intelligent --system "$@"; }
backend() { run ipfs-kit mkdir -p /var/lib/ipfs-kit/backends; printf "name: $1\n$2" | run ipfs-kit tee /var/lib/ipfs-kit/backends/$1.yaml >/dev/null; }
mkdir -p /tmp/home; ln -s /var/lib/ipfs-kit /tmp/home/.ipfs_kit
cleared() { grep -q '"is_dirty": false' /var/lib/ipfs-kit/backend_index/dirty_metadata/$1_dirty.json; }
dirty() { run ipfs-kit env PYTHONDONTWRITEBYTECODE=1 python3 scripts/touch_dirty.py --home /tmp/home --layout both "$@" >/dev/null; }
install() { make -s install "$@" </dev/null; }
`

func TestSystemService(t *testing.T) {
	if _, err := exec.LookPath("/usr/lib/polkit-1/polkitd"); err != nil {
		testenv.Skip(t, "polkitd is not installed")
	}
	inBox(t, "", systemHelpers+`
install PREFIX=/usr/local
[ "$(stat -c '%U:%G %a' /var/lib/ipfs-kit)" = "ipfs-kit:ipfs-kit 750" ] || fail "no home"
# A disk elsewhere, by a drop-in.
mkdir -p /srv/disk /etc/systemd/system/$U.service.d; chown ipfs-kit: /srv/disk
printf '[Service]\nReadWritePaths=-/srv/disk\n' >/etc/systemd/system/$U.service.d/disk.conf
systemctl daemon-reload
run ipfs-kit mkdir -p /var/lib/ipfs-kit/backend_index/dirty_metadata /var/lib/ipfs-kit/disk
backend inside 'type: filesystem\nstorage_path: /var/lib/ipfs-kit/disk\n'
backend outside 'type: filesystem\nstorage_path: /srv/disk\n'
systemctl start $U
[ "$(systemctl is-active $U)" = active ] || fail "not active"
[ "$(stat -c '%U %a' /var/lib/ipfs-kit-intelligent)" = "ipfs-kit 700" ] || fail "no state folder"
[ "$(ps -o user= -p $(systemctl show -p MainPID --value $U))" = ipfs-kit ] || fail "another account"
dirty inside outside
await cleared inside; await cleared outside
kit wait --for clean --timeout 5m || fail "never clean"
ls /var/lib/ipfs-kit/disk/cars/*.car /srv/disk/cars/*.car || fail "no copies"
await eval 'journalctl -u $U BACKEND=outside --no-pager | grep -q "clean: its mark is cleared"'

# A folder among people's homes: the sandbox hides it, and all say so with the same mend.
mkdir -p /home/tester/nas; chmod 777 /home/tester /home/tester/nas
backend hidden 'type: filesystem\nstorage_path: /home/tester/nas\n'
await eval 'kit health | grep -q ProtectHome=yes'
for c in health "status --detailed" doctor; do
  kit --json $c >/tmp/out || [ $? = 4 ]
  grep -q 'ProtectHome=yes' /tmp/out && grep -q 'ProtectHome=tmpfs and BindPaths=-/home/tester/nas' /tmp/out || fail "$c: $(cat /tmp/out)"
done
# Also through a link, which can be seen; and the mend mends it, for both.
ln -s /home/tester/nas /srv/linked
backend linked 'type: filesystem\nstorage_path: /srv/linked\n'
await eval 'kit health | grep -q "/srv/linked, which leads to /home/tester/nas"'
for c in health doctor; do
  kit $c --json >/tmp/out || [ $? = 4 ]
  grep '/srv/linked, which leads to /home/tester/nas' /tmp/out >/dev/null && grep -c 'BindPaths=-/home/tester/nas' /tmp/out || fail "$c: $(cat /tmp/out)"
done
mkdir -p /run/systemd/system/$U.service.d
printf '[Service]\nProtectHome=tmpfs\nBindPaths=-/home/tester/nas\n' >/run/systemd/system/$U.service.d/bind.conf
systemctl daemon-reload
kit doctor --json | grep -q 'the sandbox was another one then' || fail "not started again, and not said: $(kit doctor)"
systemctl restart $U
kit check --wait linked hidden || fail "the mend does not mend it"
kit doctor --json | grep path-hidden-by-sandbox && fail "still hidden: $(kit doctor)" || true
rm /run/systemd/system/$U.service.d/bind.conf; systemctl daemon-reload; systemctl restart $U
backend hidden 'type: filesystem\nenabled: false\n'; backend linked 'type: filesystem\nenabled: false\n' # their rows in the registry stay
kit wait --for ready --timeout 5m
kit check --wait inside outside && kit check --wait inside outside || fail "no check"

# Whoever may not look into the home is told so, and that is nothing wrong.
systemctl enable -q $U
run tester ipfs-kit-intelligent --system doctor >/tmp/out || fail "doctor of an ordinary user: $(cat /tmp/out)"
grep -q 'home-not-looked-at' /tmp/out || fail "it does not say what it could not see: $(cat /tmp/out)"
systemctl disable -q $U

# Reading is free.
for c in "status" "status --detailed --json" insights tasks backends "explain inside" "sync --dry-run"; do
  run tester ipfs-kit-intelligent --system $c >/tmp/out 2>&1 || fail "$c: $(cat /tmp/out)"
done
run tester busctl introspect org.ipfskit.Intelligent1 /org/ipfskit/Intelligent1 >/dev/null || fail introspect
run tester busctl tree org.ipfskit.Intelligent1 | grep -q /workers/ || fail tree

# Changing asks, and there is nobody to ask.
for c in "sync --backend inside" "sync --backend none" check backup verify "dismiss --yes none" pause resume rescan reload "worker restart dirty_monitor"; do
  run tester ipfs-kit-intelligent --system $c >/tmp/out 2>&1 && fail "$c was allowed" || [ $? = 1 ] || fail "$c: $(cat /tmp/out)"
  grep -q 'org.ipfskit.intelligent1.[a-z]* needs the word of an administrator' /tmp/out && grep -q '^Next: as root' /tmp/out || fail "$c: $(cat /tmp/out)"
done
run tester ipfs-kit-intelligent --system --json sync 2>&1 | grep '"code":"AccessDenied".*"exit":1' || fail "no JSON error"
set_level() { run tester busctl --allow-interactive-authorization=$1 call org.ipfskit.Intelligent1 /org/freedesktop/LogControl1 org.freedesktop.DBus.Properties Set ssv org.freedesktop.LogControl1 LogLevel s info 2>&1; }
set_level no | grep -q 'did not allow to ask' || fail "the log level: $(set_level no)"
set_level yes | grep -q 'no polkit agent' || fail "the log level: $(set_level yes)"
kit sync --backend inside --wait || fail "root is not allowed"
run ipfs-kit ipfs-kit-intelligent --system sync --backend inside --wait || fail "the own account is not allowed"

# A rule allows one user one thing.
cat >/etc/polkit-1/rules.d/50-test.rules <<R
polkit.addRule(function(action, subject) {
  if (action.id == "org.ipfskit.intelligent1.sync" && subject.user == "tester") return polkit.Result.YES;
});
R
await run tester ipfs-kit-intelligent --system sync --backend inside --wait
run tester ipfs-kit-intelligent --system check && fail "the rule allows more" || [ $? = 1 ]

# The log level, and the configuration.
systemctl service-log-level $U debug
[ "$(systemctl service-log-level $U)" = debug ] || fail "the log level is $(systemctl service-log-level $U)"
mkdir -p /etc/ipfs-kit; printf 'log:\n  level: warning\n' >/etc/ipfs-kit/intelligent.yaml
systemctl reload $U || fail reload
await eval '[ "$(systemctl service-log-level $U)" = warning ]'
rm /etc/ipfs-kit/intelligent.yaml

# Killed, it comes back; stopped, it is gone at once.
pid=$(systemctl show -p MainPID --value $U); kill -9 $pid
await eval 'now=$(systemctl show -p MainPID --value $U); [ $now != 0 ] && [ $now != $pid ]'
kit wait --for ready --timeout 5m || fail "not back after kill -9"
dirty inside; await cleared inside
systemctl stop $U; [ "$(systemctl show -p Result --value $U)" = success ] || fail "it did not end by itself: $(systemctl show -p Result --value $U)"

# Our own commands start nobody; others do, through systemd alone.
for c in status sync "wait --timeout 1s" "check" tasks; do run tester ipfs-kit-intelligent --system $c >/dev/null 2>&1 && fail "$c of a stopped service" || true; done
[ "$(systemctl is-active $U)" = inactive ] || fail "a command of ours started it"
run tester busctl call org.ipfskit.Intelligent1 /org/ipfskit/Intelligent1 org.ipfskit.Intelligent1.Manager GetStatus 'a{sv}' 0 >/dev/null || fail "no activation"
case $(systemctl is-active $U) in activ*) ;; *) fail "it was not systemd that started it" ;; esac

# A home that is gone is waited for and not made by a start.
systemctl stop $U; mv /var/lib/ipfs-kit /var/lib/elsewhere
systemctl start $U
kit status | grep -q '^waiting' || fail "not waiting"
[ ! -e /var/lib/ipfs-kit ] || fail "the home was made"
systemctl stop $U; mv /var/lib/elsewhere /var/lib/ipfs-kit

# Removed: no unit, no program; the data and the account stay.
systemctl start $U
make -s uninstall PREFIX=/usr/local
systemctl cat $U 2>/dev/null && fail "the unit is left" || true
pgrep -x ipfs-kit-intell && fail "it still runs" || true
[ -e /var/lib/ipfs-kit/backends/inside.yaml ] && [ -e /var/lib/ipfs-kit-intelligent ] && id ipfs-kit || fail "data are gone"
`)
}

// At a terminal a person is asked, by polkit's own agent, as systemctl does.
func TestChangingAsksThePersonAtTheTerminal(t *testing.T) {
	if _, err := exec.LookPath("pkttyagent"); err != nil {
		testenv.Skip(t, "polkitd is not installed")
	}
	inBox(t, "", systemHelpers+`
cat >terminal.py <<'E'
"""terminal.py PASSWORD COMMAND...: runs it at a terminal and types the password when it is asked for."""
import os, pty, sys, termios, time
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
seen, typed = b"", False
while True:
    try: data = os.read(fd, 4096)
    except OSError: break
    if not data: break
    seen += data
    if not typed and b"assword:" in seen:
        # The agent asks first, then throws away what was typed so far and turns the echo off.
        while termios.tcgetattr(fd)[3] & termios.ECHO: time.sleep(0.01)
        os.write(fd, sys.argv[1].encode() + b"\n"); typed = True
sys.stdout.write(seen.decode()); sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
E
echo root:sesame | chpasswd
printf 'polkit.addAdminRule(function(action, subject) { return ["unix-user:root"]; });\n' >/etc/polkit-1/rules.d/10-test.rules
install PREFIX=/usr/local
systemctl start $U
person() { systemd-run -q --wait --pipe -p PAMName=login -p User=tester python3 $PWD/terminal.py "$@" >/tmp/out 2>&1; }
person sesame ipfs-kit-intelligent --system sync || fail "the right password: $(cat /tmp/out)"
grep -q 'Authentication is required to copy what backends lack' /tmp/out || fail "it does not say what for: $(cat /tmp/out)"
person wrong ipfs-kit-intelligent --system check && fail "a wrong password is enough" || [ $? = 1 ]
grep -q 'AUTHENTICATION FAILED' /tmp/out || fail "$(cat /tmp/out)"
person wrong ipfs-kit-intelligent --system status || fail "reading asks: $(cat /tmp/out)"
pgrep pkttyagent && fail "an agent is left" || true
`)
}

func TestSystemServiceReachesARemoteBackend(t *testing.T) {
	kubo := os.Getenv("IPFSKIT_KUBO")
	if kubo == "" {
		testenv.Skip(t, "IPFSKIT_KUBO does not name a Kubo program (scripts/kubo builds one)")
	}
	inBox(t, "", systemHelpers+`
install PREFIX=/usr
export IPFS_PATH=/root/node IPFS_TELEMETRY=off
`+kubo+` init --profile=test >/dev/null
`+kubo+` daemon --offline >/tmp/kubo.log 2>&1 &
await [ -s $IPFS_PATH/api ]
run ipfs-kit mkdir -p /var/lib/ipfs-kit/backend_index/dirty_metadata
backend node "type: ipfs\napi_url: $(cat $IPFS_PATH/api)\n"
systemctl start $U
kit check --wait --timeout 5m node || fail "no check: $(kit health)"
dirty node; await cleared node
[ "$(`+kubo+` pin ls --type=recursive -q | wc -l)" -ge 1 ] || fail "nothing is pinned"
`)
}

// The unit as it is installed is as tight as it can be with remote backends.
func TestSystemUnitIsHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		testenv.Skip(t, "systemd-analyze is not installed")
	}
	dest := t.TempDir()
	if out, err := makeIn(staged(t, ""), "install", "PREFIX=/usr/local", "DESTDIR="+dest); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	unit := dest + "/usr/local/lib/systemd/system/ipfs-kit-intelligent.service"
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=11", "--no-pager", unit).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
}
