package service

import "testing"

// The commands that go through the service manager, under a real one: the unit
// is started, restarted and stopped by it, its journal is the log, and why it
// ended last is said.
func TestCommandsUnderSystemd(t *testing.T) {
	boxed(t, "", boxHelpers+`
home; backend nas
K="ipfs-kit daemon intelligent"
$K status 2>~/err && fail "status of what never ran is 0" || [ $? = 3 ]
grep -q 'Next: ipfs-kit daemon intelligent start --detach' ~/err || fail "$(cat ~/err)"
$K start -d -v || fail "start"
[ "$(systemctl --user is-active $U)" = active ] || fail "not by the unit"
[ "$(busctl --user get-property org.ipfskit.Intelligent1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 LogLevel)" = 's "debug"' ] || fail "-v is lost"
$K start -d | grep -q 'runs already' || fail "second start"
first=$(systemctl --user show -p MainPID --value $U)
$K restart | grep -q '^Started again' || fail "restart"
[ "$(systemctl --user show -p MainPID --value $U)" != $first ] || fail "the same process"
[ "$(systemctl --user is-active $U)" = active ] || fail "not by the unit after restart"

python3 scripts/touch_dirty.py --home ~ --layout both nas
$K wait --for clean --timeout 20s || fail "never clean"
$K logs >~/out || fail "logs"
grep -q ready ~/out || fail "the journal: $(cat ~/out)"
$K logs nas >~/out; grep -q 'mark is cleared' ~/out || fail "of a backend: $(cat ~/out)"
! grep -q ready ~/out || fail "of a backend, and others: $(cat ~/out)"
[ $($K logs -n 1 | wc -l) = 1 ] || fail "-n"
$K logs --since 1h --json | head -1 | grep -q '^{' || fail "as JSON"
timeout -s INT 2 $K logs -f >~/out || true
grep -q ready ~/out || fail "-f: $(cat ~/out)"

$K watch --json >~/watch & w=$!
for i in $(seq 100); do grep -q '"event":"state"' ~/watch && break; sleep 0.1; done
$K restart >/dev/null
for i in $(seq 100); do [ $(grep -c '"event":"state"' ~/watch) = 2 ] && break; sleep 0.1; done
grep -q '"event":"service_stopped"' ~/watch || fail "watch over a restart: $(cut -c1-200 ~/watch)"
kill -INT $w; wait $w || fail "watch ended with $?"

$K stop | grep -q '^Stopped' || fail "stop"
[ "$(systemctl --user is-active $U)" = inactive ] || fail "still $(systemctl --user is-active $U)"
$K stop | grep -q 'not running' || fail "second stop"

mkdir -p ~/.config/ipfs-kit; printf 'limits:\n  tasks: many\n' >~/.config/ipfs-kit/intelligent.yaml
$K start -d 2>~/err && fail "started with a wrong configuration" || [ $? = 78 ] || fail "start: $(cat ~/err)"
grep -q 'limits.tasks' ~/err || fail "the reason is not said: $(cat ~/err)"
$K status 2>~/err && fail status || [ $? = 3 ]
grep -q 'its configuration is wrong' ~/err || fail "why it ended: $(cat ~/err)"
`)
}
