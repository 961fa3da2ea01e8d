package pinsync

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// synced makes a world in which n pins are stored.
func synced(t *testing.T, n int) (*world, []cid.Cid) {
	t.Helper()
	w := newWorld(t)
	var cids []cid.Cid
	for i := range n {
		cids = append(cids, w.content(uint64(i+1)))
	}
	w.mark("pin_add", texts(cids...)...)
	if out := w.run(Delta); !out.Cleared {
		t.Fatalf("outcome: %+v", out)
	}
	clear(w.calls)
	return w, cids
}

func (w *world) remove(c cid.Cid) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.root, "cars", c.String()+".car")); err != nil {
		w.t.Fatal(err)
	}
}

func TestReconcileMendsDriftAndLeavesTheRest(t *testing.T) {
	w, cids := synced(t, 5)
	w.remove(cids[0])
	short := filepath.Join(w.root, "cars", cids[1].String()+".car")
	if err := os.Truncate(short, 10); err != nil {
		t.Fatal(err)
	}
	bucket := w.content(50)
	job := w.job(Reconcile)
	job.Desired = func(context.Context) ([]string, error) {
		return []string{bucket.String(), cids[2].String(), "no CID"}, nil
	}
	out, err := Run(context.Background(), job)
	if err != nil || out.Stored.Count != 3 || out.AlreadyThere.Count != 3 || out.Invalid.Count != 1 || !out.Complete() {
		t.Errorf("%v, outcome %+v", err, out)
	}
	if w.calls["list"] != 1 || w.calls["stat"] != 3 {
		t.Errorf("calls: %v", w.calls)
	}
	if len(w.stored()) != 6 || w.status()[bucket.String()] != home.PinStored {
		t.Errorf("stored %v, mapping %v", w.stored(), w.status())
	}
}

func TestExtrasAreCountedAndNeverDeleted(t *testing.T) {
	w, _ := synced(t, 2)
	other := newWorld(t)
	c := other.content(99)
	data, err := os.ReadFile(filepath.Join(other.home, "cars", c.String()+".car"))
	if err == nil {
		err = os.WriteFile(filepath.Join(w.root, "cars", c.String()+".car"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out := w.run(Reconcile); out.Extra != 1 || len(w.stored()) != 3 || w.calls["remove"] != 0 {
		t.Errorf("outcome %+v, stored %v", out, w.stored())
	}
}

func TestMarkWithoutCIDsNeedsAWholeComparison(t *testing.T) {
	w, cids := synced(t, 2)
	w.remove(cids[0])
	w.mark("pin_add")
	out := w.run(Delta)
	if !out.NeedReconcile || out.Cleared || !w.dirty().IsDirty || w.calls["list"] != 0 {
		t.Errorf("delta: %+v", out)
	}
	w.hook = func(op string, _ cid.Cid) error {
		if op == "list" {
			return errors.New("a page is missing")
		}
		return nil
	}
	if out, err := Run(context.Background(), w.job(Reconcile)); err == nil || out.Cleared || !w.dirty().IsDirty {
		t.Errorf("with half a listing: %v, %+v", err, out)
	}
	w.hook = nil
	if out := w.run(Reconcile); !out.Cleared || out.Stored.Count != 1 || out.NeedReconcile {
		t.Errorf("reconcile: %+v", out)
	}
}

func TestUnpinActionWaitsForReconcile(t *testing.T) {
	w, cids := synced(t, 3)
	w.mark("unpin", cids[1].String())
	out := w.run(Delta)
	if !out.NeedReconcile || out.Cleared || w.calls["remove"] != 0 || len(w.stored()) != 3 {
		t.Errorf("delta: %+v", out)
	}
	out = w.run(Reconcile)
	if out.Removed.Count != 1 || !out.Cleared || len(w.stored()) != 2 || w.calls["list"] != 2 {
		t.Errorf("reconcile: %+v, calls %v", out, w.calls)
	}
	if got := w.status()[cids[1].String()]; got != StatusRemoved {
		t.Errorf("its row is %q", got)
	}
	if out := w.run(Reconcile); out.Stored.Count != 0 || len(w.stored()) != 2 {
		t.Errorf("it came back: %+v", out)
	}
}

func TestRemovalsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world, job *Job, cids []cid.Cid)
		why    string
	}{
		"a bucket wants it": {func(_ *world, job *Job, cids []cid.Cid) {
			job.Desired = func(context.Context) ([]string, error) { return texts(cids...), nil }
		}, "still wants it"},
		"another identity": {func(_ *world, job *Job, _ []cid.Cid) { job.SentinelID = "another" }, "not known to be the one"},
		"not in the mapping": {func(w *world, _ *Job, _ []cid.Cid) {
			if err := os.Remove(filepath.Join(w.home, "backends/fs1/pin_mappings.parquet")); err != nil {
				w.t.Fatal(err)
			}
		}, "somebody else's"},
		"too many": {func(*world, *Job, []cid.Cid) {}, "at most 10"},
	} {
		t.Run(name, func(t *testing.T) {
			w, cids := synced(t, 12)
			todo := cids[:1]
			if name == "too many" {
				todo = cids[:11]
			}
			w.mark("unpin", texts(todo...)...)
			job := w.job(Reconcile)
			tc.change(w, &job, cids)
			if d, err := Plan(context.Background(), job); err != nil || d.Refused.Count != len(todo) || len(d.Remove) != 0 || !strings.Contains(d.Refused.Entries[0].Reason, tc.why) {
				t.Errorf("planned: %v, %+v", err, d)
			}
			out, err := Run(context.Background(), job)
			if err != nil || out.RemovalsRefused.Count != len(todo) || out.Cleared || w.calls["remove"] != 0 || len(w.stored()) != 12 {
				t.Fatalf("%v, outcome %+v", err, out)
			}
			if why := out.RemovalsRefused.Entries[0].Reason; !strings.Contains(why, tc.why) {
				t.Errorf("reason: %s", why)
			}
		})
	}
}

// keeper is a backend of a type that can't remove.
type keeper struct{ backend.Adapter }

func (keeper) Remove(context.Context, cid.Cid) error { return backend.ErrUnsupported }

// Its removals wait, and are done once a person did them by other means.
func TestRemovalThatTheTypeHasNotIsDoneByOtherMeans(t *testing.T) {
	w, cids := synced(t, 2)
	w.mark("unpin", cids[0].String())
	job := w.job(Reconcile)
	job.Adapter = keeper{job.Adapter}
	out, err := Run(context.Background(), job)
	if err != nil || out.RemovalsRefused.Count != 1 || out.RemovalsRefused.Entries[0].Reason != status.RemovalUnsupported || out.Cleared {
		t.Fatalf("%v, outcome %+v", err, out)
	}
	w.remove(cids[0])
	job = w.job(Reconcile)
	job.Adapter = keeper{job.Adapter}
	if out, err := Run(context.Background(), job); err != nil || !out.Cleared {
		t.Errorf("%v, outcome %+v", err, out)
	}
}

func TestManyRemovalsNeedAPersonsWord(t *testing.T) {
	w, cids := synced(t, 12)
	w.mark("unpin", texts(cids[:11]...)...)
	job := w.job(Reconcile)
	job.AllowRemovals = true
	if d, err := Plan(context.Background(), job); err != nil || len(d.Remove) != 11 || d.Refused.Count != 0 || len(w.stored()) != 12 {
		t.Errorf("planned: %v, %+v", err, d)
	}
	if out, err := Run(context.Background(), job); err != nil || out.Removed.Count != 11 || !out.Cleared || len(w.stored()) != 1 {
		t.Errorf("%v, outcome %+v", err, out)
	}
}

func TestTheShareThatMayGoIsThatOfTheConfiguration(t *testing.T) {
	for share, refused := range map[float64]bool{0: false, -1: true, 0.05: true, 0.5: false} { // of 120 the usual tenth is twelve
		w, cids := synced(t, 120)
		w.mark("unpin", texts(cids[:11]...)...)
		job := w.job(Reconcile)
		job.RemovalShare = share
		if out, err := Run(context.Background(), job); err != nil || (out.RemovalsRefused.Count > 0) != refused {
			t.Errorf("%v: %v, outcome %+v", share, err, out)
		}
	}
}

func TestAskedToBeStoredAndRemovedItIsKept(t *testing.T) {
	w, cids := synced(t, 1)
	w.mark("unpin", cids[0].String())
	w.mark("pin_add", cids[0].String())
	if out := w.run(Reconcile); !out.Cleared || len(w.stored()) != 1 || w.status()[cids[0].String()] != home.PinStored {
		t.Errorf("outcome %+v, stored %v", out, w.stored())
	}
}

func TestPendingPinThatIsToBeRemovedIsNotPutFirst(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	if err := w.h.UpdatePins(context.Background(), "fs1", []home.PinUpdate{{CID: c.String(), Status: home.PinPending}}); err != nil {
		t.Fatal(err)
	}
	w.mark("unpin", c.String())
	w.run(Delta)
	if out := w.run(Reconcile); !out.Cleared || w.calls["put"] != 0 || w.status()[c.String()] != StatusRemoved {
		t.Errorf("outcome %+v, mapping %v", out, w.status())
	}
}

func TestIdentityIsGivenOnceAndRemembered(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	w.mark("pin_add", c.String())
	first := w.run(Delta)
	w.mark("pin_add", c.String())
	job := w.job(Delta)
	job.SentinelID = first.SentinelID
	second, err := Run(context.Background(), job)
	if err != nil || first.SentinelID == "" || second.SentinelID != first.SentinelID || w.calls["write sentinel"] != 1 {
		t.Errorf("%v, %q then %q, calls %v", err, first.SentinelID, second.SentinelID, w.calls)
	}
}

func TestBackendWithoutItsIdentityGetsNothing(t *testing.T) {
	for _, mode := range []Mode{Delta, Reconcile} {
		w, cids := synced(t, 2)
		w.mark("pin_add", cids[0].String())
		job := w.job(mode)
		job.SentinelID = "known"
		for _, content := range []string{"", "{ half"} {
			file := filepath.Join(w.root, ".ipfs-kit-backend.json")
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if content != "" {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			} else {
				defer func() { _ = os.Remove(file) }()
			}
			out, err := Run(context.Background(), job)
			if !errors.Is(err, ErrIdentity) || backend.ClassOf(err) != backend.ClassConfiguration || w.calls["put"]+w.calls["stat"] != 0 || out.Cleared {
				t.Errorf("%v, outcome %+v, calls %v", err, out, w.calls)
			}
			if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		job.AcceptIdentity = true
		out, err := Run(context.Background(), job)
		if err != nil || !out.Cleared || out.SentinelID == "known" || out.SentinelID == "" {
			t.Errorf("accepted: %v, %+v", err, out)
		}
	}
}

func TestPersonsWordIsNeededOnceEvenIfNothingIsPut(t *testing.T) {
	w := newWorld(t)
	job := w.job(Reconcile)
	job.SentinelID = "known"
	job.AcceptIdentity = true
	out, err := Run(context.Background(), job)
	if err != nil || out.SentinelID == "known" || out.SentinelID == "" {
		t.Fatalf("%v, %+v", err, out)
	}
	job.SentinelID, job.AcceptIdentity = out.SentinelID, false
	if _, err := Run(context.Background(), job); err != nil {
		t.Error(err)
	}
}

func TestAnotherIdentityIsComparedWholeBeforeItIsTrusted(t *testing.T) {
	w, cids := synced(t, 3)
	w.remove(cids[2])
	w.mark("pin_add", cids[0].String())
	job := w.job(Delta)
	job.SentinelID = "the old disk"
	out, err := Run(context.Background(), job)
	if err != nil || !out.NeedReconcile || out.SentinelID != "the old disk" || !out.Cleared {
		t.Errorf("delta: %v, %+v", err, out)
	}
	job = w.job(Reconcile)
	job.SentinelID = "the old disk"
	out, err = Run(context.Background(), job)
	if err != nil || out.NeedReconcile || out.SentinelID == "the old disk" || out.Stored.Count != 1 {
		t.Errorf("reconcile: %v, %+v", err, out)
	}
}

func TestPlanTellsWhatRunDoesAndWritesNothing(t *testing.T) {
	for _, mode := range []Mode{Delta, Reconcile} {
		w, cids := synced(t, 3)
		w.remove(cids[0])
		fresh := w.content(40)
		absent := newWorld(t).content(41)
		w.mark("pin_add", cids[0].String(), cids[1].String(), fresh.String(), absent.String(), "no CID")
		w.mark("unpin", cids[2].String())
		stamp, mark := w.mappingStamp(), w.dirty().Version
		d, err := Plan(context.Background(), w.job(mode))
		if err != nil || len(d.Put) != 2 || len(d.Look) != 1 || len(d.NoSource) != 1 || len(d.Invalid) != 1 || d.Bytes == 0 {
			t.Errorf("%v, %+v", err, d)
		}
		if slices.Equal(d.Remove, texts(cids[2])) != (mode == Reconcile) || d.NeedReconcile != (mode == Delta) || d.Put[0].From != "the home's cars" || d.Put[0].Size <= 0 {
			t.Errorf("%+v", d)
		}
		if w.calls["put"]+w.calls["remove"]+w.calls["write sentinel"]+w.calls["update pins"]+w.calls["clear"] != 0 || w.mappingStamp() != stamp || w.dirty().Version != mark {
			t.Errorf("something was written: %v", w.calls)
		}
	}
}
