package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// healthOf is what the health document says of one backend, by code.
func healthOf(t *testing.T, b Backend, problems ...ProblemFact) map[string]issue {
	t.Helper()
	doc, err := HealthDocument(Facts{Manager: Manager{State: StateRunning, Home: "/home"}, Backends: []Backend{b}, Problems: problems, Now: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ Issues []issue }
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	out := map[string]issue{}
	for _, i := range d.Issues {
		out[i.Code] = i
	}
	return out
}

func TestABackendThatFailsIsNotSaidToWork(t *testing.T) {
	refused := Backend{Name: "node", Health: HealthDegraded, ErrorCount: 1, LastError: "connection refused", Endpoint: "http://127.0.0.1:5001"}
	if got := healthOf(t, refused)["backend-degraded"]; got.What != "backend node failed, and counts as unhealthy if it goes on" || got.Why != "connection refused" {
		t.Errorf("%+v", got)
	}
	full := Backend{Name: "nas", Health: HealthDegraded, LastError: "2% are free"}
	if got := healthOf(t, full)["backend-degraded"]; got.What != "backend nas works, but not well" || got.Why != "2% are free" {
		t.Errorf("%+v", got)
	}
}

func TestASyncThatFailsIsAWarningThoughChecksGoWell(t *testing.T) {
	b := Backend{Name: "nas", Health: HealthHealthy, Dirty: true, PendingActions: 2, LastError: "no room"}
	if got := healthOf(t, b)["backend-dirty"]; got.Severity != SeverityWarning || got.Why != "no room" {
		t.Errorf("%+v", got)
	}
	b.LastError = ""
	if got := healthOf(t, b)["backend-dirty"]; got.Severity != SeverityInfo || got.Why == "" {
		t.Errorf("%+v", got)
	}
	b.Paused, b.LastError = true, "no room"
	if got := healthOf(t, b)["backend-dirty"]; got.Severity != SeverityInfo || got.Why != "it is paused" || !strings.Contains(got.Recommendation, "resume nas") {
		t.Errorf("%+v", got)
	}
}

func TestAWrongConfigurationIsToldOnce(t *testing.T) {
	b := Backend{Name: "nas", Health: HealthMisconfigured, LastError: "backends/nas.yaml: line 2: what is that; mend backends/nas.yaml"}
	got := healthOf(t, b, ProblemFact{"backends/nas.yaml", "backends/nas.yaml: line 2: what is that", ""})
	if len(got) != 1 || got["backend-misconfigured"].What == "" {
		t.Errorf("%+v", got)
	}
	b.Dirty, b.Blocked = true, b.LastError // that is what it waits for, too
	if got := healthOf(t, b); len(got) != 1 || !strings.Contains(got["backend-misconfigured"].Recommendation, "dismiss nas") {
		t.Errorf("%+v", got)
	}
	if got := healthOf(t, b, ProblemFact{"pins.parquet", "torn", "make it anew"}); got["file-unreadable"].What != "/home/pins.parquet can't be read" || !strings.HasSuffix(got["file-unreadable"].Recommendation, "; make it anew") {
		t.Errorf("%+v", got)
	}
}

func TestAHomeThatCantBeServedIsNotSaidToBeAway(t *testing.T) {
	for reason, code := range map[string]string{HomeAbsent: "no-home", "lock the home: read-only file system": "home-unusable"} {
		if got := waitingIssue(Manager{Home: "/home", State: StateWaiting, StateReason: reason}); got.Code != code || got.Why != reason {
			t.Errorf("%s: %+v", reason, got)
		}
	}
}

// What is known of backends is old while the home is away: that comes first.
func TestAHomeThatWentAwayIsToldBeforeItsBackends(t *testing.T) {
	gone := Manager{Home: "/home", State: StateWaiting, StateReason: HomeAbsent, Backends: 1}
	doc, err := HealthDocument(Facts{Manager: gone, Backends: []Backend{{Name: "nas", Health: HealthUnhealthy, ErrorCount: 3, LastError: "away"}}})
	if err != nil {
		t.Fatal(err)
	}
	first, second := strings.Index(string(doc), "/home went away"), strings.Index(string(doc), "backend nas can't be used now")
	if first < 0 || second < first {
		t.Errorf("%s", doc)
	}
	d := Diagnose(1, []Finding{{Code: "backend-unhealthy", Severity: SeverityError}, {Code: "home-unreadable", Severity: SeverityError}})
	if d.Findings[0].Code != "home-unreadable" {
		t.Errorf("%+v", d)
	}
}

// Who removes a backend's file finds its row in the registry still served.
func TestABackendWhoseFileIsGoneIsSaidHowToEnd(t *testing.T) {
	b := Backend{Name: "nas", Health: HealthUnhealthy, ErrorCount: 3, LastError: "away", Filesystem: true}
	if got := healthOf(t, b)["backend-unhealthy"].Recommendation; !strings.Contains(got, "echo 'enabled: false' >/home/backends/nas.yaml") {
		t.Error(got)
	}
	b.ConfigFile = "/home/backends/nas.yaml"
	if got := healthOf(t, b)["backend-unhealthy"].Recommendation; strings.Contains(got, "enabled") {
		t.Error(got)
	}
}

// Content that is brought helps only the one that waits for content.
func TestWhatABlockedBackendWaitsForIsTold(t *testing.T) {
	for blocked, want := range map[string]string{
		NoSource + "2 pins (tried: the home's cars)":  "provide it, or give the actions up",
		"its mark can't be read: torn; mend the file": "see to that, then: ipfs-kit-intelligent sync --backend nas",
	} {
		got := healthOf(t, Backend{Name: "nas", Health: HealthHealthy, Dirty: true, Blocked: blocked})["backend-blocked"]
		if got.Why != blocked || !strings.Contains(got.Recommendation, want) || strings.Contains(got.What, "not here") != WantsContent(blocked) {
			t.Errorf("%+v", got)
		}
	}
}

// What is recommended has an effect: a word for removals helps only what waits for one.
func TestOnlyWhatWaitsForAWordIsToldToGiveIt(t *testing.T) {
	for why, word := range map[string]bool{RemovalsMany: true, RemovalElsewhere: true, RemovalWanted: false, RemovalForeign: false, RemovalUnsupported: false} {
		blocked := "2 removals wait: 11 of 12 pins would be removed, and at most 10 " + why
		got := healthOf(t, Backend{Name: "a b", Health: HealthHealthy, Dirty: true, Blocked: blocked})["backend-blocked"].Recommendation
		if strings.Contains(got, "--reconcile") != word || !strings.Contains(got, "--backend 'a b'") || !strings.Contains(got, "dismiss") {
			t.Errorf("%s: %s", why, got)
		}
	}
}

func TestHealthNamesTheFileToMend(t *testing.T) {
	for code, b := range map[string]Backend{
		"backend-unhealthy":     {Name: "node", Health: HealthUnhealthy, ErrorCount: 1, LastError: "401; set token", ConfigFile: "/home/backends/node.yaml"},
		"backend-misconfigured": {Name: "node", Health: HealthMisconfigured, LastError: "line 3", ConfigFile: "/home/backends/node.yaml"},
	} {
		if got := healthOf(t, b)[code].Recommendation; !strings.Contains(got, b.ConfigFile) {
			t.Errorf("%s: %s", code, got)
		}
	}
}

func TestABackupThatNobodyCanTakeIsNotWaitedFor(t *testing.T) {
	for n, want := range map[uint64]string{0: "configure one", 1: "wait, or now: ipfs-kit-intelligent backup"} {
		now := time.Unix(1e9, 0)
		doc, err := HealthDocument(Facts{Manager: Manager{State: StateRunning, FilesystemBackends: n, Started: now}, BackupAfter: time.Hour, Buckets: []BucketFact{{Key: "a"}}, Now: now})
		if err != nil || !strings.Contains(string(doc), want) || !strings.Contains(string(doc), "1 bucket needs a backup") {
			t.Errorf("%d filesystem backends: %s %v", n, doc, err)
		}
	}
}
