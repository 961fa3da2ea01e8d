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
await cleared nas
$K wait --for clean --timeout 5m || fail "never clean"
await eval '$K logs >~/out && grep -q ready ~/out'
await eval '$K logs nas >~/out && grep -q "mark is cleared" ~/out'
! grep -q ready ~/out || fail "of a backend, and others: $(cat ~/out)"
[ $($K logs -n 1 | wc -l) = 1 ] || fail "-n"
$K logs --since 1h --json | head -1 | grep -q '^{' || fail "as JSON"
timeout 600 $K logs -f >~/out & f=$!
await grep -q ready ~/out
kill $f; wait $f || true

$K watch --json >~/watch & w=$!
await grep -q '"event":"state"' ~/watch
$K restart >/dev/null
await eval '[ $(grep -c "\"event\":\"state\"" ~/watch) = 2 ]'
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

// A start that failed is told with the end of its own journal, also the first one and
// one that wrote much; what other starts wrote is no part of it.
func TestAFailedStartUnderSystemdSaysWhy(t *testing.T) {
	boxed(t, "", boxHelpers+`
K=ipfs-kit-intelligent
D=~/.config/systemd/user/$U.service.d; mkdir -p $D ~/.config/ipfs-kit
printf '[Unit]\nStartLimitIntervalSec=0\n' >$D/often.conf
systemctl --user daemon-reload
for n in $(seq 20); do # what a process writes just before it ends comes late, and without its unit
  printf "limits:\n  tasks: many$n\n" >~/.config/ipfs-kit/intelligent.yaml
  $K start -d 2>~/err && fail "started with a wrong configuration" || [ $? = 78 ] || fail "$(cat ~/err)"
  grep -q "key limits.tasks: \"many$n\" is not allowed" ~/err || fail "start $n does not say why: $(cat ~/err)"
  grep -q "\"many$((n-1))\"" ~/err && fail "start $n shows what another one wrote: $(cat ~/err)" || true
  grep -q '^Next: ipfs-kit-intelligent config check' ~/err || fail "no next step: $(cat ~/err)"
done
rm ~/.config/ipfs-kit/intelligent.yaml

# One that writes much: the last lines say why. The manager tries again at once, which is not shown.
cat >~/noisy <<'S'
#!/bin/sh
for i in $(seq 60); do echo "line $i"; done
echo "the reason ($$)"
until journalctl --user -q --no-pager -n 100 | grep -qF "the reason ($$)"; do sleep 0.1; done # it is not known whose they are once it is gone
exit 1
S
chmod +x ~/noisy
printf '[Service]\nRestartSec=0\nExecStart=\nExecStart=%s/noisy\n' ~ >$D/noisy.conf
systemctl --user daemon-reload
$K start -d 2>~/err && fail "noisy started" || [ $? = 1 ] || fail "$(cat ~/err)"
systemctl --user stop $U
grep -q '^line 60$' ~/err && ! grep -q '^line 20$' ~/err || fail "not the end: $(cat ~/err)"
[ $(grep -c 'line 60' ~/err) = 1 ] || fail "the next start is shown too: $(cat ~/err)"

# Too often: systemd starts it no more for a while, and that is said.
printf '[Unit]\nStartLimitIntervalSec=60\nStartLimitBurst=2\n[Service]\nExecStart=\nExecStart=/bin/false\n' >$D/often.conf; rm $D/noisy.conf
systemctl --user daemon-reload
$K start -d 2>/dev/null || true
await systemctl --user is-failed -q $U
$K start -d 2>~/err && fail "it was started" || [ $? = 1 ]
grep -q 'started too often' ~/err && grep -q '^Next: see why it ended: ipfs-kit-intelligent logs' ~/err || fail "$(cat ~/err)"
`)
}

// Who masked the unit wants no service: none in the background either.
func TestAMaskedUnitIsNotStartedInAnotherWay(t *testing.T) {
	boxed(t, "", boxHelpers+`
K=ipfs-kit-intelligent
systemctl --user mask $U 2>/dev/null
$K start -d 2>~/err && fail "it was started" || [ $? = 1 ] || fail "$(cat ~/err)"
grep -q 'its unit is masked' ~/err || fail "no reason: $(cat ~/err)"
$K status 2>~/err && fail "it runs" || [ $? = 3 ] || fail "$(cat ~/err)"
eval "$(sed -n 's/^Next: \(.*\), then .*/\1/p' ~/err)" 2>/dev/null
$K start -d || fail "not started after what status said: $(cat ~/err)"

# The log of a service that ran in the background before is not the one of a unit that failed since.
$K stop
echo 'an old line' >~/.local/state/ipfs-kit-intelligent/log; touch -d '1 hour ago' ~/.local/state/ipfs-kit-intelligent/log
mkdir -p ~/.config/ipfs-kit; printf 'limits:\n  tasks: many\n' >~/.config/ipfs-kit/intelligent.yaml
$K start -d 2>/dev/null && fail "started with a wrong configuration" || true
for i in $(seq 100); do $K logs -n 20 | grep -q 'is not allowed' && break; sleep 0.1; done
$K logs -n 20 | grep -q 'is not allowed' || fail "not the unit's: $($K logs)"
touch -d '1 hour' ~/.local/state/ipfs-kit-intelligent/log
$K logs | grep -q 'an old line' || fail "not the newer one: $($K logs)"
`)
}

// Between its end and the new start that the manager makes by itself, all commands say so.
func TestWhileSystemdStartsItAgainThatIsSaid(t *testing.T) {
	boxed(t, "", boxHelpers+`
home; backend nas
K=ipfs-kit-intelligent
D=~/.config/systemd/user/$U.service.d; mkdir -p $D
printf '[Service]\nRestartSec=600\n' >$D/slow.conf
systemctl --user daemon-reload
$K start -d
end() { systemctl --user kill -s $1 $U; await eval '[ "$(systemctl --user show -p SubState --value $U)" = auto-restart ]'; }
end KILL
$K status 2>~/err && fail "status is 0" || [ $? = 3 ] || fail "$(cat ~/err)"
grep -q 'it ended last by signal (status 9), and is started again in a moment' ~/err || fail "status: $(cat ~/err)"
grep -q '^Next: see why it ended: ipfs-kit-intelligent logs -n 20' ~/err || fail "status: $(cat ~/err)"
$K status --json 2>&1 | grep -q '"exit":3' || fail "status --json"
$K sync 2>~/err && fail "sync is 0" || [ $? = 3 ]
grep -q 'is started again in a moment' ~/err || fail "sync: $(cat ~/err)"
$K wait --timeout 500ms 2>~/err && fail "wait is 0" || [ $? = 6 ] || fail "$(cat ~/err)"
grep -q 'timed out: it did not run within 500ms; it ended last by signal (status 9), and is started again in a moment' ~/err || fail "wait: $(cat ~/err)"
grep -q '^Next: see why it ended' ~/err || fail "wait: $(cat ~/err)"
$K wait --timeout 5m & w=$!
systemctl --user restart $U # a start waits for the manager's turn
wait $w || fail "wait does not see its return"
[ "$(state)" = running ] || fail "not back: $(state)"

# A person's start does not wait for the manager's turn, and a stop ends the waiting.
end ABRT
$K status 2>&1 | grep -q 'it ended last with status 2, and is started again in a moment' || fail "$($K status 2>&1)"
$K start -d | grep -q '^Started' || fail "start"
end KILL
$K stop | grep -q '^Stopped' || fail "stop"
[ "$(systemctl --user is-active $U)" = inactive ] || fail "it is $(systemctl --user is-active $U)"
$K status 2>&1 | grep -q '^Next: ipfs-kit-intelligent start --detach' || fail "$($K status 2>&1)"
`)
}
