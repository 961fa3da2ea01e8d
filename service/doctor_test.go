package service

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// diagnoses types doctor --json and gives the codes of what is wrong, and the exit status.
func (u user) diagnoses(args ...string) (codes []string, code int) {
	u.t.Helper()
	out, errOut, code := u.types(append([]string{"doctor", "--json"}, args...)...)
	var d status.Diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		u.t.Fatalf("doctor is no JSON: %v\n%s%s", err, out, errOut)
	}
	for _, f := range d.Findings {
		if f.Severity != status.SeverityInfo {
			codes = append(codes, f.Code)
		}
	}
	if d.Healthy != (code == 0) || !d.Healthy && code != 4 {
		u.t.Errorf("healthy is %v, and the exit status %d", d.Healthy, code)
	}
	return codes, code
}

func TestDoctorWithAndWithoutTheService(t *testing.T) {
	testenv.DBusDaemon(t)
	w := newWorld(t)
	w.backend("nas")
	missing, _ := w.content(99)
	dir := filepath.Dir(w.home)
	run, err := os.MkdirTemp("", "ikd") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	u := user{t, program(t), []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + run, "IPFS_KIT_HOME=" + w.home}}
	expect := func(who user, want ...string) {
		t.Helper()
		if got, _ := who.diagnoses(); !slices.Equal(got, want) {
			t.Errorf("doctor finds %v, want %v", got, want)
		}
	}
	expect(u, "service-not-running", "bus-missing")
	if out, errOut, code := u.types("start", "--detach"); code != 0 {
		t.Fatal(out, errOut)
	}
	defer u.types("stop")
	u.types("wait", "--for", "healthy", "--timeout", "5m")
	expect(u)
	if out, _, code := u.types("doctor"); code != 0 || !strings.Contains(out, "Nothing is wrong") {
		t.Errorf("exit %d: %s", code, out)
	}
	w.mark("nas", missing)
	u.types("sync", "--wait", "--timeout", "5m", "--backend", "nas")
	expect(u, "content-without-source")
	u.types("dismiss", "--yes", "nas")

	other := u
	other.env = append(slices.Clone(u.env), "IPFS_KIT_HOME="+dir+"/elsewhere")
	if got, _ := other.diagnoses(); !slices.Contains(got, "other-home") || !slices.Contains(got, "no-home") {
		t.Errorf("on another home: %v", got)
	}
	newer := u
	newer.bin = filepath.Join(t.TempDir(), "ipfs-kit-intelligent")
	cmd := exec.Command("go", "build", "-ldflags", "-X ipfskit.org/intelligent/internal/cli.Version=9.9", "-o", newer.bin, "./cmd/ipfs-kit-intelligent")
	cmd.Dir, cmd.Env = testenv.Source(t), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	expect(newer, "other-version")
	lost := u // somebody to whom the service does not answer, since it is on another bus
	lost.env = append(slices.Clone(u.env), "XDG_RUNTIME_DIR="+dir)
	expect(lost, "home-locked", "service-not-running", "bus-missing")
	if _, _, code := u.types("doctor", "--install"); code != 2 {
		t.Errorf("--install alone: exit %d", code)
	}
}

func TestDoctorUnderSystemd(t *testing.T) {
	boxed(t, "", boxHelpers+`
codes() { ipfs-kit-intelligent doctor --json | tr -d ' \n' | grep -o '"code":"[^"]*","severity":"[ew][^"]*"' | cut -d'"' -f4 | sort | tr '\n' ' '; }
finds() { codes | grep -qw -e "$1" || fail "$1 is not found: $(ipfs-kit-intelligent doctor)"; }
expect() { [ "$(codes)" = "$*" ] || fail "expected $*: $(ipfs-kit-intelligent doctor)"; }
home; backend nas
expect "service-not-running unit-not-enabled "
systemctl --user enable $U 2>/dev/null
systemctl --user start $U
ipfs-kit-intelligent wait --for healthy --timeout 5m
expect ""
ipfs-kit-intelligent doctor || fail "exit $? with nothing wrong"

# What permissions hide from this user.
mkdir ~/disk/closed; backend closed; chmod 0 ~/disk/closed
finds path-forbidden
chmod 500 ~/disk/closed
finds path-forbidden
chmod 755 ~/disk/closed; rm ~/.ipfs_kit/backends/closed.yaml
cp ~/.ipfs_kit/backends/nas.yaml ~/nas.yaml; chmod 0 ~/.ipfs_kit/backends/nas.yaml
finds backend-misconfigured
mv ~/nas.yaml ~/.ipfs_kit/backends/nas.yaml
await eval '[ -z "$(codes)" ]'

# Credentials: of a type that can't be synced yet nobody asks for them.
printf 'type: s3\naccess_key: AKIDEXAMPLE\nenabled: true\n' >~/.ipfs_kit/backends/cloud.yaml
finds no-adapter
codes | grep -q credentials-missing && fail "credentials that help nobody: $(ipfs-kit-intelligent doctor)" || true
printf 'type: ipfs\napi_url: http://127.0.0.1:1\nusername: me\nenabled: true\n' >~/.ipfs_kit/backends/cloud.yaml
finds credentials-missing
rm ~/.ipfs_kit/backends/cloud.yaml

# A drop-in that the manager has not read, and a service that fails.
mkdir -p ~/.config/systemd/user/$U.service.d; printf '[Service]\nEnvironment=A=1\n' >~/.config/systemd/user/$U.service.d/a.conf
systemctl --user daemon-reload
sleep 1; printf '[Service]\nEnvironment=A=2\n' >~/.config/systemd/user/$U.service.d/a.conf
finds unit-changed
systemctl --user daemon-reload
mkdir -p ~/.config/ipfs-kit; printf 'limits:\n  tasks: many\n' >~/.config/ipfs-kit/intelligent.yaml
systemctl --user restart $U 2>/dev/null || true
finds configuration-wrong
ipfs-kit-intelligent doctor --json | grep -q 'its configuration is wrong (status 78)' || fail "why it ended last is not said: $(ipfs-kit-intelligent doctor)"

# With a sandbox that hides all homes, or has a /tmp of its own.
rm ~/.config/ipfs-kit/intelligent.yaml
mkdir -p /tmp/disk; printf 'type: filesystem\nstorage_path: /tmp/disk\n' >~/.ipfs_kit/backends/tmp.yaml
printf '[Service]\nPrivateUsers=yes\nPrivateTmp=yes\n' >~/.config/systemd/user/$U.service.d/a.conf
systemctl --user daemon-reload
finds path-hidden-by-sandbox
ipfs-kit-intelligent doctor --drop-in | grep -q '^PrivateTmp=no' || fail "the drop-in would hide /tmp/disk"
`)
}
