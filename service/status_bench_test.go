package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/testenv"
)

// BenchmarkAnswers times the documents of the real program over a real bus with
// 10,000 backends, beside an empty method in the same run:
// go test ./service -run - -bench Answers
func BenchmarkAnswers(b *testing.B) {
	testenv.DBusDaemon(b)
	w := newWorld(b)
	for i := range 10_000 {
		w.backend(fmt.Sprintf("disk-%05d", i))
	}
	address := w.bus().Address
	cmd := exec.Command(program(b), "run", "--bus", address)
	dir := filepath.Dir(w.home)
	cmd.Env = []string{"HOME=" + dir, "IPFS_KIT_HOME=" + w.home, "XDG_STATE_HOME=" + dir + "/state", "XDG_RUNTIME_DIR=" + dir + "/run", "PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Signal(os.Interrupt)
	c := w.client(address)
	if err := c.Pause(b.Context(), "", 0); err != nil {
		b.Fatal(err)
	}
	conn, err := godbus.Connect(address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	o := conn.Object(dbus.BusName, dbus.RootPath)
	none := map[string]godbus.Variant{}
	for _, m := range []struct {
		name, method string
		args         []any
	}{
		{"Ping", "org.freedesktop.DBus.Peer.Ping", nil},
		{"GetStatus", dbus.BusName + ".Manager.GetStatus", []any{none}},
		{"GetStatusDetailed", dbus.BusName + ".Manager.GetStatus", []any{map[string]godbus.Variant{"detailed": godbus.MakeVariant(true)}}},
		{"GetHealth", dbus.BusName + ".Manager.GetHealth", []any{none}},
		{"GetInsights", dbus.BusName + ".Manager.GetInsights", []any{none}},
		{"ListBackends", dbus.BusName + ".Manager.ListBackends", []any{none}},
	} {
		b.Run(m.name, func(b *testing.B) {
			size := 0
			var took []time.Duration
			from := cpuOf(b, cmd.Process.Pid)
			for b.Loop() {
				began := time.Now()
				call := o.Call(m.method, 0, m.args...)
				took = append(took, time.Since(began))
				if call.Err != nil {
					b.Fatal(call.Err)
				}
				if len(call.Body) > 0 {
					if s, ok := call.Body[0].(string); ok {
						size = len(s)
					}
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64((cpuOf(b, cmd.Process.Pid)-from).Microseconds())/1000/float64(len(took)), "ms-cpu")
			b.ReportMetric(float64(took[0].Microseconds())/1000, "ms/best")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// cpuOf is the processor time that a process has used: unlike the time that passes, it does not depend on what else runs here.
func cpuOf(b *testing.B, pid int) (total time.Duration) {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range tasks {
		var ns int64
		data, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		fmt.Sscan(string(data), &ns)
		total += time.Duration(ns)
	}
	return total
}
