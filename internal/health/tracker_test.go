package health

import (
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestStateHasHysteresis(t *testing.T) {
	var tr Tracker
	r := DefaultRules()
	step := func(good bool, want string) {
		t.Helper()
		if good {
			tr.Success(t0, "nas", time.Millisecond, "", r)
		} else {
			tr.Failure(t0, "nas", false, r)
		}
		if tr.State() != want {
			t.Errorf("state %s, want %s", tr.State(), want)
		}
	}
	if tr.State() != status.HealthUnknown {
		t.Error(tr.State())
	}
	step(true, status.HealthHealthy)
	step(false, status.HealthDegraded)
	step(true, status.HealthHealthy)
	step(false, status.HealthDegraded)
	step(false, status.HealthDegraded)
	step(false, status.HealthUnhealthy)
	step(true, status.HealthUnhealthy) // one success is not enough
	step(true, status.HealthHealthy)
}

func TestWhatOnlyAPersonCanMendIsUnhealthyAtOnceAndHealthyAtOnce(t *testing.T) {
	var tr Tracker
	tr.Failure(t0, "nas", true, DefaultRules())
	if tr.State() != status.HealthUnhealthy {
		t.Error(tr.State())
	}
	tr = Load(tr.Save())
	tr.Success(t0, "nas", time.Millisecond, "", DefaultRules())
	if tr.State() != status.HealthHealthy {
		t.Error("the mend of a person needs a second proof:", tr.State())
	}
}

func TestProbesGrowRarerAndTheBreakerOpensLonger(t *testing.T) {
	var tr Tracker
	r := DefaultRules()
	last := time.Duration(0)
	for range 12 {
		tr.Success(t0, "nas", 0, "", r)
		wait := tr.View().NextProbe.Sub(t0)
		if wait < last/2 || wait > r.ProbeMax*5/4 {
			t.Fatalf("next probe in %s after %s", wait, last)
		}
		last = wait
	}
	if last < r.ProbeMax/2 {
		t.Errorf("a backend that is well is still probed every %s", last)
	}
	last = 0
	for range 40 {
		tr.Failure(t0, "nas", false, r)
		open := tr.View().OpenUntil.Sub(t0)
		if open <= 0 || open > r.OpenMax*5/4 || open < last/2 {
			t.Fatalf("the breaker is open for %s after %s", open, last)
		}
		last = open
	}
	tr.Reset()
	if !tr.View().OpenUntil.IsZero() {
		t.Error("a reset leaves the breaker open")
	}
}

func TestSavedHealthIsTheSame(t *testing.T) {
	var tr Tracker
	tr.Success(t0, "nas", 3*time.Millisecond, "nearly full", DefaultRules())
	again := Load(tr.Save())
	if again.Save() != tr.Save() || again.State() != status.HealthDegraded || again.Degraded() != "nearly full" {
		t.Errorf("%+v", again)
	}
}

func TestOwnNetworkDownIsOneFact(t *testing.T) {
	var n Network
	if n.Failed("a", t0) || n.Failed("b", t0) || n.Failed("b", t0) {
		t.Error("two endpoints are the network")
	}
	if !n.Failed("c", t0) || !n.down || n.Failed("d", t0) {
		t.Error("three endpoints are not, or it is told twice")
	}
	if !n.Reached("a") || n.down {
		t.Error("it did not come back")
	}
	n.Failed("a", t0)
	n.Failed("b", t0.Add(2*time.Minute))
	if n.Failed("c", t0.Add(4*time.Minute)) {
		t.Error("failures far apart are the network")
	}
}

func TestWhoRefusesWasReached(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENETUNREACH: true, &net.DNSError{Name: "x"}: true, os.ErrDeadlineExceeded: true,
		syscall.ECONNREFUSED: false, syscall.ECONNRESET: false, io.EOF: false,
	} {
		if Away(&net.OpError{Op: "dial", Net: "tcp", Err: err}) != want {
			t.Errorf("%v counts as the network: %v", err, !want)
		}
	}
}

func TestABackendThatPointsElsewhereIsOne(t *testing.T) {
	var n Network
	for _, endpoint := range []string{"a", "b", "c", "d"} {
		if n.Failed(endpoint, t0) {
			t.Error("one backend is the network")
		}
		n.Forget(endpoint)
	}
}

func TestABackendThatIsWellAgainProvesItSoon(t *testing.T) {
	var tr Tracker
	r := DefaultRules()
	for range r.UnhealthyAfter {
		tr.Failure(t0, "nas", false, r)
	}
	tr.Success(t0, "nas", 0, "", r)
	if wait := tr.View().NextProbe.Sub(t0); wait > time.Minute {
		t.Errorf("it is probed again after %s", wait)
	}
	if tr.Failure(t0, "nas", false, r); tr.Errors() != 1 {
		t.Errorf("%d failures in a row", tr.Errors())
	}
}

// A folder, or a node of this machine, works while the network is away: what waits for that waits on.
func TestWhatDidNotFailSaysNothingAboutTheNetwork(t *testing.T) {
	var n Network
	for _, endpoint := range []string{"a", "b", "c"} {
		n.Failed(endpoint, t0)
	}
	if n.Reached("/mnt/disk") || !n.down {
		t.Error("a folder is the network")
	}
	n.Failed("b", t0.Add(20*time.Minute))
	if !n.Reached("a") || n.down {
		t.Error("one that failed long ago does not tell that it is back")
	}
	for _, endpoint := range []string{"a", "b", "c"} {
		n.Failed(endpoint, t0)
	}
	for _, endpoint := range []string{"a", "b", "c"} {
		n.Forget(endpoint)
	}
	if !n.Reached("d") || n.down {
		t.Error("it stays away though nothing that failed is left")
	}
}
