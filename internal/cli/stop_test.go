package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/clock"
)

func TestAServiceThatDoesNotEndIsKilledAndThatIsSaid(t *testing.T) {
	cmd := exec.Command("sh", "-c", `trap "" TERM; echo here; while :; do sleep 1; done`)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var said bytes.Buffer
	a := &app{env: Env{Stderr: &said}, clk: clock.System}
	if err := a.endProcess(t.Context(), cmd.Process.Pid, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Error(err)
	}
	if !strings.Contains(said.String(), "It is killed") {
		t.Error(said.String())
	}
}

func TestAStopThatIsNotDoneSaysWhatToDo(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("stop the service (process 7): %w", unix.EPERM): "end it as the user who started it, or as root",
		errors.New("systemctl stop: exit status 1"):                " logs -n 20",
		hint("sudo", "Interactive authentication required"):        "sudo",
	} {
		var f *fault
		if got := (&app{}).notStopped(t.Context(), err); !errors.As(got, &f) || f.next != want {
			t.Errorf("%v: %+v", err, f)
		}
	}
}
