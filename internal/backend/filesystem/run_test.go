package filesystem

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

// A sandbox hides the boot's name; two machines must not take each other's runs for their own dead ones.
func TestAMachineIsToldFromOthersAlsoInASandbox(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hidden := filepath.Join(dir, "hidden")
	here, there := file("here", "1f"), file("there", "2e")
	if machineOf(hidden, here) == machineOf(hidden, there) {
		t.Error("two machines are the same")
	}
	if again := machineOf(here); machineOf(hidden, here) != again {
		t.Error("a machine is not the same as itself")
	}
	if again := machineOf(hidden); machineOf(hidden) == again {
		t.Error("machines that nothing is known of are the same")
	}
}

// ProtectProc=invisible hides other users' processes; they are not dead for that.
func TestAnotherUsersHiddenRunIsNotDead(t *testing.T) {
	name := func(pid int, start string) string {
		return fmt.Sprintf("%s%s-%d-%s-1%s", tempPrefix, thisRun().machine, pid, start, tempSuffix)
	}
	if got := lifeOf(newTempName()); got != lifeAlive {
		t.Errorf("this run: %d", got)
	}
	if got := lifeOf(name(os.Getpid(), "1")); got != lifeDead {
		t.Errorf("an earlier run with this number: %d", got)
	}
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	if got := lifeOf(name(child.Process.Pid, "1")); got != lifeDead {
		t.Errorf("a run that ended: %d", got)
	}
	testenv.Root(t)
	// The test again, as a user to whom the process of root is hidden.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp("", "ipfs-kit-hidden-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", exe, filepath.Join(work, "test")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	script := fmt.Sprintf("mount -t proc -o hidepid=invisible proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups %s/test -test.run=TestHiddenRunIsUnknown -test.v", work)
	cmd := exec.Command("unshare", "--mount", "sh", "-c", script)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), fmt.Sprint("IPFSKIT_HIDDEN_PID=", os.Getpid()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestHiddenRunIsUnknown is the part of TestAnotherUsersHiddenRunIsNotDead that another user runs.
func TestHiddenRunIsUnknown(t *testing.T) {
	var pid int
	if _, err := fmt.Sscan(os.Getenv("IPFSKIT_HIDDEN_PID"), &pid); err != nil {
		return
	}
	if processStart(fmt.Sprint(pid)) != "" || syscall.Kill(pid, 0) == nil {
		t.Fatal("the process is not hidden")
	}
	if got := lifeOf(fmt.Sprintf("%s%s-%d-1-1%s", tempPrefix, thisRun().machine, pid, tempSuffix)); got != lifeUnknown {
		t.Errorf("life %d", got)
	}
}
