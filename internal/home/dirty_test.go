package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/fsys/faulty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHome makes an empty home with the folders that upstream's daemon makes.
func newHome(t testing.TB) *Home {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dirMarks, dirState, dirBackends, dirBuckets} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return openHome(t, dir)
}

func openHome(t testing.TB, dir string) *Home {
	t.Helper()
	h, err := Open(dir, Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *Home) put(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(h.Path(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h *Home) text(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.Path(), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (h *Home) dirty(t testing.TB, name string) *Dirty {
	t.Helper()
	d, err := h.ReadDirty(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const mark = `{
  "backend_name": "nas",
  "is_dirty": true,
  "pending_actions": [
    {
      "action_type": "pin_add",
      "cids": [
        "QmA",
        "QmB"
      ],
      "timestamp": 1700000000.25,
      "synced": false
    }
  ],
  "affected_cids": [
    "QmA",
    "QmB"
  ],
  "created_at": 1700000000.25,
  "note": "\u00fcber \ud83d\ude00",
  "last_updated": 1700000000.25
}`

func TestMarksAreReadInAllFourPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		file, text   string
		dirty, whole bool
		cids         []string
	}{
		"index":            {dirMarks + "/nas_dirty.json", mark, true, false, []string{"QmA", "QmB"}},
		"backend's file":   {"backends/nas/dirty_metadata", mark, true, false, []string{"QmA", "QmB"}},
		"backend's folder": {"backends/nas/dirty_metadata/1.json", mark, true, false, []string{"QmA", "QmB"}},
		"adapter's state":  {dirState + "/nas_dirty.json", `{"is_dirty": true, "reason": "pins_changed"}`, true, true, nil},
		"missing synced":   {dirMarks + "/nas_dirty.json", `{"is_dirty": false, "pending_actions": [{"cids": "QmC"}]}`, true, false, []string{"QmC"}},
		"all synced":       {dirMarks + "/nas_dirty.json", `{"is_dirty": true, "pending_actions": [{"cids": ["QmC"], "synced": true}]}`, false, false, nil},
		"no cids":          {dirMarks + "/nas_dirty.json", `{"is_dirty": true, "pending_actions": [{"action_type": "x"}]}`, true, true, nil},
		"clean":            {dirMarks + "/nas_dirty.json", `{"is_dirty": false, "pending_actions": []}`, false, false, nil},
		"empty":            {dirMarks + "/nas_dirty.json", ``, false, false, nil},
		"flag alone":       {dirMarks + "/nas.dirty", ``, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.put(t, c.file, c.text)
			d := h.dirty(t, "nas")
			if d.IsDirty != c.dirty || d.Whole != c.whole || !slices.Equal(d.CIDs, c.cids) {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestTornMarkSettlesBeforeItCounts(t *testing.T) {
	h := newHome(t)
	h.settle = time.Hour // a busy machine may need longer than the usual time from here to there
	h.put(t, dirMarks+"/nas_dirty.json", mark[:100])
	if d := h.dirty(t, "nas"); d.IsDirty || !d.Settling {
		t.Errorf("half a file counts at once: %+v", d)
	}
	old := time.Now().Add(-2 * h.settle)
	if err := os.Chtimes(filepath.Join(h.Path(), dirMarks, "nas_dirty.json"), old, old); err != nil {
		t.Fatal(err)
	}
	d := h.dirty(t, "nas")
	if !d.IsDirty || d.Settling || len(d.Problems) != 1 {
		t.Errorf("half a file does not count after it settled: %+v", d)
	}
	after, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: d, Whole: true})
	if err != nil || !after.IsDirty || h.text(t, dirMarks+"/nas_dirty.json") != mark[:100] {
		t.Errorf("a file that can't be parsed was touched: %v", err)
	}
}

// A clock that went wrong makes files of the future; they settle like all others.
func TestTornMarkOfTheFutureCounts(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", mark[:100])
	later := time.Now().AddDate(10, 0, 0)
	if err := os.Chtimes(filepath.Join(h.Path(), dirMarks, "nas_dirty.json"), later, later); err != nil {
		t.Fatal(err)
	}
	if d := h.dirty(t, "nas"); !d.IsDirty || d.Settling || d.Since.After(time.Now()) {
		t.Errorf("%+v", d)
	}
}

func TestMarkThatLeadsOutOfTheHomeIsToldAndNotFollowed(t *testing.T) {
	h := newHome(t)
	aside := filepath.Join(t.TempDir(), "mark.json")
	if err := errors.Join(os.WriteFile(aside, []byte(mark), 0o644), os.Symlink(aside, filepath.Join(h.Path(), dirMarks, "nas_dirty.json")),
		os.Symlink("nowhere", filepath.Join(h.Path(), dirMarks, "other_dirty.json"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(h.settle + 10*time.Millisecond) // the link is new
	if d := h.dirty(t, "nas"); !d.IsDirty || len(d.Problems) != 1 || len(d.CIDs) > 0 {
		t.Errorf("%+v", d)
	}
	if d := h.dirty(t, "other"); d.IsDirty || len(d.Problems) > 0 {
		t.Errorf("a link to nothing is no mark: %+v", d)
	}
}

// Python writes and reads NaN and Infinity, which are no JSON.
func TestPythonsOwnNumbersAreReadAndKept(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", `{"is_dirty": true, "note": "NaN \" Infinity", "created_at": NaN, "x": [-Infinity, Infinity],
		"pending_actions": [{"cids": ["QmA"], "timestamp": NaN, "synced": false}], "affected_cids": ["QmA"]}`)
	d := h.dirty(t, "nas")
	if !slices.Equal(d.CIDs, []string{"QmA"}) || len(d.Problems) > 0 {
		t.Fatalf("%+v", d)
	}
	after, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: d, CIDs: d.CIDs})
	if err != nil || after.IsDirty {
		t.Fatalf("%+v %v", after, err)
	}
	text := strings.Join(strings.Fields(h.text(t, dirMarks+"/nas_dirty.json")), " ")
	for _, want := range []string{`"note": "NaN \" Infinity"`, `"created_at": NaN`, `"x": [ -Infinity, Infinity ]`, `"timestamp": NaN`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestClearingDoesWhatUpstreamDoes(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", mark)
	h.put(t, dirMarks+"/nas.dirty", "")
	h.put(t, dirState+"/nas_dirty.json", `{"is_dirty": true, "reason": "pins_changed", "sync_required": true}`)
	after, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: h.dirty(t, "nas"), CIDs: []string{"QmA", "QmB"}, Whole: true})
	if err != nil || after.IsDirty || after.LastSync.IsZero() {
		t.Fatalf("%+v %v", after, err)
	}
	text := h.text(t, dirMarks+"/nas_dirty.json")
	want := strings.NewReplacer(`"is_dirty": true`, `"is_dirty": false`, `"synced": false`, `"synced": true`,
		"\"affected_cids\": [\n    \"QmA\",\n    \"QmB\"\n  ]", `"affected_cids": []`).Replace(mark)
	i := strings.LastIndex(text, ",\n  \"last_sync\": ")
	if i < 0 || text[:i]+"\n}" != want {
		t.Errorf("the mark became\n%s\nwant\n%s", text, want)
	}
	if _, err := os.Stat(filepath.Join(h.Path(), dirMarks, "nas.dirty")); err == nil {
		t.Error("the flag is still there")
	}
	var state map[string]any
	if err := json.Unmarshal([]byte(h.text(t, dirState+"/nas_dirty.json")), &state); err != nil || state["is_dirty"] != false || state["sync_required"] != false || state["last_synced"] == nil {
		t.Errorf("state %v %v", state, err)
	}
}

func TestOnlyWhatWasVerifiedIsCleared(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", mark)
	after, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: h.dirty(t, "nas"), CIDs: []string{"QmA"}})
	if err != nil || !after.IsDirty || !slices.Equal(after.CIDs, []string{"QmB"}) {
		t.Fatalf("%+v %v", after, err)
	}
	after, err = h.ClearDirty(t.Context(), "nas", Cleared{Seen: after, CIDs: []string{"QmB"}})
	if err != nil || after.IsDirty {
		t.Fatalf("%+v %v", after, err)
	}
}

func TestActionWithoutCIDsThatCameLaterIsNotCleared(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", `{"is_dirty": true, "pending_actions": [{"action_type": "x", "timestamp": 1}]}`)
	seen := h.dirty(t, "nas")
	h.put(t, dirMarks+"/nas_dirty.json", `{"is_dirty": true, "pending_actions": [{"action_type": "x", "timestamp": 1}, {"action_type": "x", "timestamp": 2}]}`)
	after, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: seen, Whole: true})
	if err != nil || !after.IsDirty || after.Unsynced != 1 {
		t.Errorf("%+v %v", after, err)
	}
}

func TestOwnWriteIsKnownAsOwn(t *testing.T) {
	h := newHome(t)
	file := dirMarks + "/nas_dirty.json"
	h.put(t, file, mark)
	stat := func() os.FileInfo {
		fi, err := os.Stat(filepath.Join(h.Path(), file))
		if err != nil {
			t.Fatal(err)
		}
		return fi
	}
	if h.IsOwn(file, stat()) {
		t.Error("a foreign file is taken for our own")
	}
	if _, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: h.dirty(t, "nas"), CIDs: []string{"QmA", "QmB"}}); err != nil {
		t.Fatal(err)
	}
	if !h.IsOwn(file, stat()) {
		t.Error("our own write is taken for news")
	}
	h.put(t, file, mark)
	if h.IsOwn(file, stat()) {
		t.Error("a foreign write over ours is taken for an echo")
	}
}

// Python appends to the same mark, in place and unlocked, while it is cleared again and again.
func TestPythonAppendingMeanwhileLosesNothing(t *testing.T) {
	t.Parallel() // it waits for a minute until all is merged
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	h := newHome(t)
	file := filepath.Join(h.Path(), dirMarks, "nas_dirty.json")
	const n = 1000
	script := `
import json, sys, time
path, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    try:
        d = json.load(open(path))
    except (FileNotFoundError, ValueError) as e:
        print(i, repr(e), file=sys.stderr)
        d = {"backend_name": "nas", "is_dirty": False, "pending_actions": [], "affected_cids": []}
    c = f"Qm{i}"
    d["pending_actions"].append({"action_type": "pin_add", "cids": [c], "timestamp": time.time(), "synced": False})
    d["affected_cids"] = list(set(d["affected_cids"]) | {c}); d["is_dirty"] = True; d["last_updated"] = time.time()
    with open(path, "w") as f: json.dump(d, f, indent=2)
    time.sleep(0.001)
`
	cmd := exec.Command(python, "-c", script, file, fmt.Sprint(n))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	synced := map[string]bool{}
	for running := true; running; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		d := h.dirty(t, "nas")
		for _, c := range d.CIDs {
			synced[c] = true
		}
		if _, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: d, CIDs: d.CIDs}); err != nil {
			t.Fatal(err)
		}
	}
	h.late.Wait()
	for _, c := range h.dirty(t, "nas").CIDs {
		synced[c] = true
	}
	for i := range n {
		if c := fmt.Sprintf("Qm%d", i); !synced[c] {
			final := h.text(t, dirMarks+"/nas_dirty.json")
			i := strings.Index(final, "\""+c+"\"")
			if i > 0 {
				final = final[max(0, i-80):min(len(final), i+120)]
			} else {
				final = "not there"
			}
			t.Errorf("the mark of %s was lost: %s", c, final)
		}
	}
}

// Merging loses no action of either side.
func TestMergeKeepsEveryAction(t *testing.T) {
	doc := func(t *rapid.T, label string) (string, []string) {
		var parts, ids []string
		for _, ts := range rapid.SliceOfNDistinct(rapid.IntRange(1, 50), 0, 8, rapid.ID).Draw(t, label) {
			parts = append(parts, fmt.Sprintf(`{"action_type": "pin_add", "cids": ["Qm%d"], "timestamp": %d, "synced": %v}`, ts, ts, rapid.Bool().Draw(t, "synced")))
			ids = append(ids, fmt.Sprint(ts))
		}
		return fmt.Sprintf(`{"is_dirty": true, "pending_actions": [%s], "affected_cids": []}`, strings.Join(parts, ",")), ids
	}
	rapid.Check(t, func(t *rapid.T) {
		ours, a := doc(t, "ours")
		theirs, b := doc(t, "theirs")
		out, err := mergeMarks([]byte(ours), []byte(theirs))
		if err != nil {
			t.Fatal(err)
		}
		if out == nil {
			out = []byte(ours)
		}
		got, err := parseObject(out)
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		list, _ := got.get("pending_actions").([]any)
		for _, e := range list {
			have[fmt.Sprint(e.(*object).get("timestamp"))] = true
		}
		for _, id := range append(a, b...) {
			if !have[id] {
				t.Fatalf("action %s is lost of\n%s\n%s", id, ours, theirs)
			}
		}
	})
}

func FuzzMark(f *testing.F) {
	f.Add([]byte(mark))
	f.Add([]byte(`{"pending_actions": [1, null, {"cids": {}}], "affected_cids": "x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &Home{clk: clock.System, known: map[string]map[string]knownAction{}}
		m := parseMark(data)
		out, err := h.clearMark(dirMarks+"/x_dirty.json", data, seenFile{actions: len(m.actions), stamp: stamp{ino: 1}}, done{dismiss: true})
		if err != nil || out == nil {
			return
		}
		if again := parseMark(out); again.err != nil || again.unsynced() != 0 {
			t.Fatalf("dismissed, and %d are left: %v\n%s", again.unsynced(), again.err, out)
		}
	})
}

// The end of a service waits for one look at each file that was swapped out, not for all that were to come.
func TestClosingLooksOnceMoreAtWhatWasSwappedOut(t *testing.T) {
	h := newHome(t)
	h.put(t, "current", "ours")
	h.put(t, tempPrefix+"current.tmp", "theirs")
	merges := 0
	h.lookLater(change{name: "current", limit: 100, merge: func(_, other []byte) ([]byte, error) {
		merges++
		if string(other) != "theirs" {
			t.Errorf("merged %q", other)
		}
		return nil, nil
	}}, tempPrefix+"current.tmp", nil)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if merges < 1 || merges > 2 { // one look may have been over already
		t.Errorf("merged %d times", merges)
	}
}

// What fails twice for the same cause says the same twice: people are told of it once, with a number.
func TestAMarkThatCannotBeWrittenHasTheSameWordsEachTime(t *testing.T) {
	for _, op := range []string{"create", "write", "fsync", "exchange"} {
		h := newHome(t)
		h.put(t, dirMarks+"/nas_dirty.json", mark)
		h.root = faulty.Wrap(h.root, func(o, name string) error {
			if o == op {
				return &fs.PathError{Op: o, Path: name, Err: syscall.EROFS}
			}
			return nil
		})
		var texts []string
		for range 2 {
			_, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: h.dirty(t, "nas"), Whole: true, CIDs: []string{"QmA", "QmB"}})
			if !errors.Is(err, syscall.EROFS) {
				t.Fatal(op, err)
			}
			texts = append(texts, err.Error())
		}
		if texts[0] != texts[1] || !strings.Contains(texts[0], "nas_dirty.json: read-only") {
			t.Errorf("%s: %q", op, texts)
		}
	}
}

// Upstream's patterns *.yaml and *_dirty.json find names with a leading dot.
func TestNamesWithALeadingDotAreRead(t *testing.T) {
	h := newHome(t)
	for _, name := range []string{".cold", "nas"} {
		h.put(t, "backends/"+name+".yaml", "type: filesystem\nstorage_path: /x\n")
		h.put(t, dirMarks+"/"+name+"_dirty.json", mark)
	}
	h.put(t, "backend_configs/.old.yaml", "type: ipfs\n")
	for _, other := range []string{"backends/._nas.yaml", "backends/.#nas.yaml", "backends/.nas.yaml.swp", "backends/.nas.x1.tmp", "backends/.yaml",
		dirMarks + "/._nas_dirty.json", dirMarks + "/_dirty.json", dirMarks + "/" + tempPrefix + "nas_dirty.json.x1.tmp"} {
		h.put(t, other, "{")
	}
	configs, problems, err := h.Configs(t.Context())
	if names := slices.Sorted(maps.Keys(configs)); err != nil || len(problems) > 0 || !slices.Equal(names, []string{".cold", ".old", "nas"}) {
		t.Errorf("configurations %q, problems %v, %v", names, problems, err)
	}
	if marks, err := h.ChangedMarks(t.Context(), nil); err != nil || !slices.Equal(marks, []string{".cold", "nas"}) {
		t.Errorf("marks of %q %v", marks, err)
	}
	if d := h.dirty(t, ".cold"); !d.IsDirty {
		t.Errorf("%+v", d)
	}
}

// A look that fails is no absence: the mark is read, and what is wrong with it is said.
func TestAMarkThatCannotBeLookedAtIsNotGone(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", mark)
	d := h.dirty(t, "nas")
	plain := h.root
	h.root = faulty.Wrap(plain, func(op, name string) error {
		if op == "look" && name == dirMarks+"/nas_dirty.json" {
			return &fs.PathError{Op: "lstat", Path: name, Err: syscall.EIO}
		}
		return nil
	})
	if names, err := h.ChangedMarks(t.Context(), map[string]*Dirty{"nas": d}); err != nil || !slices.Equal(names, []string{"nas"}) {
		t.Errorf("to be read again: %q %v", names, err)
	}
	h.root = faulty.Wrap(plain, func(op, name string) error {
		if op == "look" {
			return &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
		}
		return nil
	})
	if names, err := h.ChangedMarks(t.Context(), map[string]*Dirty{"nas": d}); err != nil || !slices.Equal(names, []string{"nas"}) {
		t.Errorf("one that went between the list and the look: %q %v", names, err)
	}
}

// The adapters' marks have no actions: one that was set again while the sync ran asks for another one.
func TestAMarkWithoutActionsThatWasSetAgainIsNotCleared(t *testing.T) {
	for _, file := range []string{dirState + "/nas_dirty.json", dirMarks + "/nas_dirty.json"} {
		h := newHome(t)
		h.put(t, file, `{"is_dirty": true, "last_marked_dirty": "2026-01-01T00:00:00.000001", "reason": "pins_changed"}`)
		seen := h.dirty(t, "nas")
		h.put(t, file, `{"is_dirty": true, "last_marked_dirty": "2026-01-01T00:00:05.000001", "reason": "pins_changed"}`)
		for _, c := range []Cleared{{Seen: seen, Whole: true}, {Seen: seen, Dismiss: true}} {
			if after, err := h.ClearDirty(t.Context(), "nas", c); err != nil || !after.IsDirty {
				t.Errorf("%s, dismissed %v: %+v %v", file, c.Dismiss, after, err)
			}
		}
		if after, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: h.dirty(t, "nas"), Whole: true}); err != nil || after.IsDirty {
			t.Errorf("%s, as it was seen: %+v %v", file, after, err)
		}
	}
}

// What another program took away, and is remembered, does not make what came later count as seen.
func TestALostActionDoesNotMakeALaterOneSeen(t *testing.T) {
	h := newHome(t)
	file := dirMarks + "/nas_dirty.json"
	const first, lost, later = `{"action_type": "a", "timestamp": 1, "cids": ["QmA"]}`, `{"action_type": "b", "timestamp": 2}`, `{"action_type": "c", "timestamp": 3}`
	h.put(t, file, `{"is_dirty": true, "pending_actions": [`+first+`,`+lost+`]}`)
	h.dirty(t, "nas")
	h.put(t, file, `{"is_dirty": true, "pending_actions": [`+first+`]}`)
	seen := h.dirty(t, "nas")
	if seen.Unsynced != 2 {
		t.Fatalf("the lost action does not count: %+v", seen)
	}
	h.put(t, file, `{"is_dirty": true, "pending_actions": [`+first+`,`+later+`]}`)
	if _, err := h.ClearDirty(t.Context(), "nas", Cleared{Seen: seen, Dismiss: true}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Actions []struct {
			Type   string `json:"action_type"`
			Synced bool
		} `json:"pending_actions"`
	}
	if err := json.Unmarshal([]byte(h.text(t, file)), &doc); err != nil {
		t.Fatal(err)
	}
	for _, a := range doc.Actions {
		if a.Type == "c" && a.Synced {
			t.Errorf("given up unseen: %+v", doc)
		}
	}
}

// Python empties a mark before it writes it anew.
func TestAnEmptyMarkSettlesToAHint(t *testing.T) {
	h := newHome(t)
	h.put(t, dirMarks+"/nas_dirty.json", "")
	if d := h.dirty(t, "nas"); d.IsDirty || !d.Settling {
		t.Errorf("%+v", d)
	}
	time.Sleep(h.settle + 10*time.Millisecond)
	if d := h.dirty(t, "nas"); d.IsDirty || d.Settling {
		t.Errorf("%+v", d)
	}
}

// What is left to do is counted apart from the actions that are there: a mark may have none.
func TestAMarkWithoutActionsHasNoPendingOnes(t *testing.T) {
	h := newHome(t)
	h.put(t, dirState+"/nas_dirty.json", `{"is_dirty": true, "reason": "pins_changed"}`)
	if d := h.dirty(t, "nas"); !d.IsDirty || d.Unsynced != 1 || d.Pending() != 0 || d.Actions != 0 {
		t.Errorf("%+v", d)
	}
	h.put(t, dirMarks+"/nas_dirty.json", `{"is_dirty": true, "pending_actions": [{"cids": ["QmA"], "synced": false}, {"cids": ["QmB"]}, {"cids": ["QmC"], "synced": true}]}`)
	if d := h.dirty(t, "nas"); d.Unsynced != 3 || d.Pending() != 2 || d.Actions != 3 {
		t.Errorf("%+v", d)
	}
}

// An action that another program took away and that counted is given up, or done, with the others.
func TestALostActionThatWasSeenIsGivenUpToo(t *testing.T) {
	h := newHome(t)
	file := dirMarks + "/nas_dirty.json"
	const kept, lost = `{"action_type": "a", "timestamp": 1, "cids": ["QmA"]}`, `{"action_type": "b", "timestamp": 2}`
	for _, c := range []Cleared{{Dismiss: true}, {Whole: true, CIDs: []string{"QmA"}}} {
		h.put(t, file, `{"is_dirty": true, "pending_actions": [`+kept+`,`+lost+`]}`)
		h.dirty(t, "nas")
		h.put(t, file, `{"is_dirty": true, "pending_actions": [`+kept+`]}`)
		if c.Seen = h.dirty(t, "nas"); c.Seen.Unsynced != 2 {
			t.Fatalf("the lost action does not count: %+v", c.Seen)
		}
		if after, err := h.ClearDirty(t.Context(), "nas", c); err != nil || after.IsDirty {
			t.Errorf("%+v %v", after, err)
		}
	}
}
