package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

func TestAShellIsNotKeptByABusThatSaysNothing(t *testing.T) {
	run, err := os.MkdirTemp("", "ikk") // the name of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run) //nolint:errcheck // a temporary folder
	dir := filepath.Join(run, "ipfs-kit-intelligent")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was written
	var out bytes.Buffer
	env := Env{Stdout: &out, Stderr: &bytes.Buffer{}, Environ: []string{"HOME=" + run, "XDG_RUNTIME_DIR=" + run}}
	defer func(usual time.Duration) { completeLimit = usual }(completeLimit)
	completeLimit = time.Second
	start := time.Now()
	if code := MainIntelligent([]string{"__complete", "explain", ""}, env); code != ExitDone || out.String() != ":4\n" {
		t.Errorf("%d %s", code, out.String())
	}
	if took := time.Since(start); took < completeLimit { // that it ends at all is what the limit is for
		t.Errorf("it took %s; the limit is %s", took, completeLimit)
	}
}

func TestProgressOnAPipeIsALineNowAndThenWithRateAndEnd(t *testing.T) {
	clk := &clock.Shifted{}
	var out, errOut bytes.Buffer
	a := &app{env: Env{Stdout: &out, Stderr: &errOut}, clk: clk}
	m := a.newMeter(3)
	running := status.Task{ID: 7, Kind: "pin_sync", Backend: "nas", State: status.TaskRunning, ItemsDone: 40, ItemsTotal: 100,
		BytesDone: 3 << 20, BytesPerSecond: 1 << 20, ExpectedEnd: clk.Now().Add(time.Minute)}
	m.show(running)
	if errOut.Len() > 0 {
		t.Errorf("at once: %s", errOut.String())
	}
	m.show(status.Task{ID: 6, State: status.TaskDone})
	m.show(status.Task{ID: 8, State: status.TaskQueued})
	clk.Shift(firstLine)
	m.show(running)
	m.show(running)
	if got := errOut.String(); !strings.HasPrefix(got, "1 of 3 tasks ended; task 7: pin_sync nas: 1.0 MiB/s, ends in 5") || !strings.HasSuffix(got, " s, 40 of 100, 3.0 MiB\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
	a.json, m.last = true, time.Time{}
	m.show(running)
	m.clear()
	if strings.Count(errOut.String(), "\n") != 1 || out.Len() > 0 {
		t.Errorf("with --json: %q %q", errOut.String(), out.String())
	}
}

func TestWhoInterruptsIsToldThatTheTaskGoesOn(t *testing.T) {
	a := &app{name: "ipfs-kit-intelligent"}
	err := a.leftAlone(fmt.Errorf("wait: %w", context.Canceled), []uint64{6, 7, 8}, []status.Task{{ID: 6, State: status.TaskDone}, {ID: 7, State: status.TaskRunning}})
	var f *fault
	if !errors.As(err, &f) || f.code != ExitFailed || f.Error() != "interrupted while waiting for 2 tasks (7, 8); they go on without this command" ||
		f.next != "ipfs-kit-intelligent task show 7, or to end it: ipfs-kit-intelligent task cancel 7" {
		t.Errorf("%v %+v", err, f)
	}
}
