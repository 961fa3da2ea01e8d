package pinsync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/home"
)

func TestDirtyCIDIsStoredWrittenDownAndCleared(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	w.mark("pin_add", c.String())
	out := w.run(Delta)
	if out.Stored.Count != 1 || !out.Cleared || !out.Complete() || out.Bytes == 0 || out.SentinelID == "" {
		t.Errorf("outcome: %+v", out)
	}
	if got := w.stored(); !slices.Equal(got, texts(c)) {
		t.Errorf("stored: %v", got)
	}
	if got := w.status(); got[c.String()] != home.PinStored || len(got) != 1 {
		t.Errorf("mapping: %v", got)
	}
	m := w.meta(c)
	if m["sha256"] == "" || m["verified_at"] == nil || m["source"] != "the home's cars" {
		t.Errorf("metadata: %v", m)
	}
	if w.dirty().IsDirty {
		t.Error("the mark still stands")
	}
}

func TestWhatIsThereIsVerifiedAndNotPutAgain(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	w.mark("pin_add", c.String())
	w.run(Delta)
	w.mark("cache_priority", c.String())
	out := w.run(Delta)
	if out.AlreadyThere.Count != 1 || !out.Cleared || w.calls["put"] != 1 || w.calls["verify"] != 1 {
		t.Errorf("outcome %+v, calls %v", out, w.calls)
	}
}

func TestDamagedContentIsPutAgain(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	w.mark("pin_add", c.String())
	w.run(Delta)
	file := filepath.Join(w.root, "cars", c.String()+".car")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w.mark("pin_add", c.String())
	if out := w.run(Delta); out.Stored.Count != 1 || !out.Cleared {
		t.Errorf("outcome: %+v", out)
	}
}

func TestDeltaCostsTheMarksCIDsHoweverLongTheMapping(t *testing.T) {
	w := newWorld(t)
	var rows []home.PinUpdate
	for i := range 10_000 {
		rows = append(rows, home.PinUpdate{CID: cartest.Raw(t, fmt.Appendf(nil, "%d", i)).CID.String(), Status: home.PinStored})
	}
	open := w.content(7)
	rows = append(rows, home.PinUpdate{CID: open.String(), Status: home.PinPending})
	if err := w.h.UpdatePins(context.Background(), "fs1", rows); err != nil {
		t.Fatal(err)
	}
	c := w.content(1)
	w.mark("pin_add", c.String())
	out := w.run(Delta)
	if out.Stored.Count != 2 || !out.Cleared {
		t.Errorf("outcome: %+v", out)
	}
	want := map[string]int{"stat": 2, "put": 2, "list": 0, "all pins": 0, "update pins": 1, "clear": 1}
	for op, n := range want {
		if w.calls[op] != n {
			t.Errorf("%s: %d calls, want %d", op, w.calls[op], n)
		}
	}
	if got := w.status(); len(got) != 10_002 || got[open.String()] != home.PinStored || got[c.String()] != home.PinStored {
		t.Errorf("%d rows", len(got))
	}
}

func TestMarkAppendedDuringSyncSurvives(t *testing.T) {
	w := newWorld(t)
	first, second := w.content(1), w.content(2)
	for _, at := range []string{"put", "after put", "update pins", "clear"} {
		t.Run(at, func(t *testing.T) {
			w.mark("pin_add", first.String())
			done := false
			w.hook = func(op string, _ cid.Cid) error {
				if op == at && !done {
					done = true
					w.mark("pin_add", second.String())
				}
				return nil
			}
			if at == "put" || at == "after put" { // let there be something to put
				if err := os.RemoveAll(filepath.Join(w.root, "cars")); err != nil {
					t.Fatal(err)
				}
			}
			out := w.run(Delta)
			if !done || out.Cleared || out.After == nil || !slices.Equal(out.After.CIDs, texts(second)) {
				t.Fatalf("added %v, outcome %+v, after %+v", done, out, out.After)
			}
			if out := w.run(Delta); !out.Cleared {
				t.Errorf("the second sync: %+v", out)
			}
		})
	}
}

func TestContentThatNobodyHasBlocksAndIsMendedWhenItAppears(t *testing.T) {
	w := newWorld(t)
	there := w.content(1)
	c, data := cartest.Random(t, 2, 3)
	w.mark("pin_add", there.String(), c.String())
	out := w.run(Delta)
	if out.Blocked != "no source for 1 pin (tried: the home's cars)" || out.Cleared || out.NoSource.Count != 1 || out.Stored.Count != 1 {
		t.Errorf("outcome: %+v", out)
	}
	if d := w.dirty(); !slices.Equal(d.CIDs, texts(c)) {
		t.Errorf("the mark asks for %v", d.CIDs)
	}
	if got := w.status()[c.String()]; got != home.PinPending {
		t.Errorf("its row is %q", got)
	}
	before := w.calls["update pins"]
	stamp := w.mappingStamp()
	w.run(Delta)
	if w.mappingStamp() != stamp {
		t.Errorf("nothing changed, and the mapping was written again (%d updates)", w.calls["update pins"]-before)
	}
	w.car(c, data)
	if out := w.run(Delta); !out.Cleared || out.Blocked != "" {
		t.Errorf("outcome: %+v", out)
	}
	if m := w.meta(c); m["reason"] != nil {
		t.Errorf("metadata: %v", m)
	}
}

func TestDamagedSourceGivesWayToTheNext(t *testing.T) {
	w := newWorld(t)
	c, data := cartest.Random(t, 2, 5)
	w.car(c, data[:len(data)-10])
	file := filepath.Join(t.TempDir(), "elsewhere.car")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w.mark("pin_add", c.String())

	out := w.run(Delta)
	if out.Failed.Count != 1 || out.Cleared || out.Failed.Entries[0].Class != backend.ClassContent || len(w.stored()) != 0 {
		t.Errorf("outcome: %+v, stored %v", out, w.stored())
	}
	w.run(Delta)
	if m := w.meta(c); m["attempts"] != 2.0 || m["error"] == nil {
		t.Errorf("metadata: %v", m)
	}

	job := w.job(Delta)
	mapped := pathStore{job.Pins, c.String(), file}
	job.Sources = append(job.Sources, MappedCARs(mapped, w.h.OpenCARPath))
	out, err := Run(context.Background(), job)
	if err != nil || out.Stored.Count != 1 || !out.Cleared {
		t.Errorf("outcome: %+v, %v", out, err)
	}
	if m := w.meta(c); m["attempts"] != nil || m["error"] != nil || m["source"] != "the file "+file {
		t.Errorf("metadata: %v", m)
	}
}

// pathStore is a mapping that says where the CAR of one CID lies.
type pathStore struct {
	PinStore
	cid, file string
}

func (s pathStore) All(context.Context) ([]home.Pin, error) {
	return []home.Pin{{CID: s.cid, CARPath: "gone.car"}, {CID: s.cid, CARPath: s.file}}, nil
}

func TestItemThatFailsHoldsUpNoOther(t *testing.T) {
	w := newWorld(t)
	var cids []cid.Cid
	for i := range 5 {
		cids = append(cids, w.content(uint64(i)))
	}
	w.mark("pin_add", texts(cids...)...)
	w.hook = func(op string, c cid.Cid) error {
		if op == "put" && c == cids[2] {
			return &backend.Error{Class: backend.ClassContent, Op: "put", Err: errors.New("too odd")}
		}
		return nil
	}
	out := w.run(Delta)
	if out.Stored.Count != 4 || out.Failed.Count != 1 || out.Cleared || !slices.Equal(w.dirty().CIDs, texts(cids[2])) {
		t.Errorf("outcome: %+v, left %v", out, w.dirty().CIDs)
	}
}

func TestBackendsFailureEndsThePassAndKeepsWhatWasDone(t *testing.T) {
	w := newWorld(t)
	var cids []cid.Cid
	for i := range 5 {
		cids = append(cids, w.content(uint64(i)))
	}
	w.mark("pin_add", texts(cids...)...)
	w.hook = func(op string, c cid.Cid) error {
		if op == "put" && c == cids[2] {
			return &backend.Error{Class: backend.ClassQuota, Op: "put", Err: errors.New("disk full")}
		}
		return nil
	}
	out, err := Run(context.Background(), w.job(Delta))
	if backend.ClassOf(err) != backend.ClassQuota || w.calls["put"] != 3 || out.Stored.Count != 2 {
		t.Errorf("%v, outcome %+v, calls %v", err, out, w.calls)
	}
	if left := w.dirty().CIDs; !slices.Equal(left, texts(cids[2:]...)) {
		t.Errorf("left: %v", left)
	}
	if got := w.status(); len(got) != 2 {
		t.Errorf("mapping: %v", got)
	}
}

func TestTextThatIsNoCIDFailsAndIsNeverAPath(t *testing.T) {
	w := newWorld(t)
	good := w.content(1)
	bad := []string{"../../etc/passwd", "QmTooShort", "", strings.Repeat("b", 5000), "/ipfs/" + good.String(), good.String() + "/x"}
	w.mark("pin_add", append(bad, good.String())...)
	out := w.run(Delta)
	if out.Stored.Count != 1 || out.Cleared || out.Failed.Count < len(bad)-1 {
		t.Errorf("outcome: %+v", out)
	}
	for _, e := range out.Failed.Entries {
		if e.Class != backend.ClassContent || len(e.Reason) > 400 {
			t.Errorf("%+v", e)
		}
	}
	if got := w.status(); len(got) != 1 {
		t.Errorf("mapping: %v", got)
	}
}

func TestOneCIDUnderTwoTextsIsPutOnceAndBothAreCleared(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	other, err := c.StringOfBase('z')
	if err != nil {
		t.Fatal(err)
	}
	w.mark("pin_add", other, c.String())
	if out := w.run(Delta); out.Stored.Count != 1 || !out.Cleared || w.calls["put"] != 1 {
		t.Errorf("outcome: %+v", out)
	}
}

func TestMappingIsWrittenSeldom(t *testing.T) {
	w := newWorld(t)
	var cids []string
	for i := range 300 {
		cids = append(cids, w.content(uint64(i)).String())
	}
	w.mark("pin_add", cids...)
	job := w.job(Delta)
	job.FlushEvery = 100
	job.MaxParallel = 3
	var last Progress
	job.Progress = func(p Progress) { last = p }
	out, err := Run(context.Background(), job)
	if err != nil || out.Stored.Count != 300 || !out.Cleared || len(out.Stored.Entries) != maxListed {
		t.Errorf("%v, outcome %+v", err, out)
	}
	if n := w.calls["update pins"]; n < 3 || n > 300/2 {
		t.Errorf("the mapping was written %d times", n)
	}
	if last.ItemsDone != 300 || last.ItemsTotal != 300 || last.BytesDone == 0 || last.BytesDone != last.BytesTotal {
		t.Errorf("progress: %+v", last)
	}
}

func TestRecordsAloneNeedNoSource(t *testing.T) {
	w := newWorld(t)
	c, _ := cartest.Random(t, 1, 3)
	w.mark("pin_add", c.String())
	job := w.job(Delta)
	rec := &recording{}
	job.Adapter, job.Records = rec, true
	out, err := Run(context.Background(), job)
	if err != nil || out.Stored.Count != 1 || !out.Cleared || out.Bytes != 0 {
		t.Errorf("%v, outcome %+v", err, out)
	}
}

func TestAcceptedIsNotStored(t *testing.T) {
	w := newWorld(t)
	c := w.content(1)
	w.mark("pin_add", c.String())
	job := w.job(Delta)
	job.Adapter = &recording{pending: true}
	out, err := Run(context.Background(), job)
	if err != nil || out.Pending.Count != 1 || out.Cleared || !w.dirty().IsDirty {
		t.Errorf("%v, outcome %+v", err, out)
	}
	if got := w.status()[c.String()]; got != home.PinPending {
		t.Errorf("its row is %q", got)
	}
	out, err = Run(context.Background(), job) // now Stat says that it was accepted
	if err != nil || out.Pending.Count != 1 {
		t.Errorf("%v, outcome %+v", err, out)
	}
}

// recording keeps what it is given in memory, without looking at it, and has no identity.
type recording struct {
	backend.Adapter
	pending bool
	have    map[string]bool
}

func (r *recording) Sentinel(context.Context) (backend.Sentinel, error) {
	return backend.Sentinel{}, backend.ErrUnsupported
}

func (r *recording) Stat(_ context.Context, c cid.Cid) (backend.Item, error) {
	if !r.have[c.KeyString()] {
		return backend.Item{}, backend.ErrNotStored
	}
	return backend.Item{CID: c, Size: -1, Pending: r.pending}, nil
}

func (r *recording) Put(_ context.Context, c cid.Cid, _ backend.Source, _ func(int64)) (backend.Item, error) {
	r.have = map[string]bool{c.KeyString(): true}
	return backend.Item{CID: c, Size: -1, Pending: r.pending}, nil
}

func FuzzParseCID(f *testing.F) {
	for _, s := range []string{"", "Qm", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", "../x", "k51qzi5uqu5", "bafy/..", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCID(text)
		if err != nil {
			if backend.ClassOf(err) != backend.ClassContent {
				t.Errorf("class of %v", err)
			}
			return
		}
		if name := c.String(); strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") {
			t.Errorf("%q became the name %q", text, name)
		}
	})
}

func BenchmarkOneDirtyCID(b *testing.B) {
	w := newWorld(b)
	c, data := cartest.Random(b, 1, 3)
	w.car(c, data)
	for b.Loop() {
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(w.root, "cars")); err != nil {
			b.Fatal(err)
		}
		w.mark("pin_add", c.String())
		job := w.job(Delta)
		b.StartTimer()
		if out, err := Run(context.Background(), job); err != nil || !out.Cleared {
			b.Fatal(err, out)
		}
	}
}
