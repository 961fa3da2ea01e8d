package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ipfskit.org/intelligent/internal/backend"
)

func TestBackupIsCompleteAndItsManifestComesLast(t *testing.T) {
	w := newWorld(t)
	w.write("buckets/a.parquet", "one")
	w.write("vfs_indices/b/index.parquet", "two")
	w.write("vfs_indices/empty", "")
	var puts []string
	w.hook = func(op, name string) error {
		if op == "put" {
			puts = append(puts, name)
		}
		return nil
	}
	m := w.run()
	if !m.Fresh || m.Seq != 1 || len(m.Files) != 3 || m.Version != "1.2.3" || m.Bytes() != 6 || m.State == "" || m.Time.IsZero() {
		t.Errorf("manifest: %+v", m)
	}
	if len(puts) != 4 || puts[3] != m.Object || !strings.Contains(m.Object, "manifest") {
		t.Errorf("puts: %v", puts)
	}
	got, err := Latest(context.Background(), w.store(), set)
	if err != nil || got.Object != m.Object || !slices.Equal(got.Files, m.Files) {
		t.Errorf("%v, %+v", err, got)
	}
	list, err := allBackups(context.Background(), w.store())
	if err != nil || len(list) != 1 || !list[0].Complete || list[0].Set != set || list[0].Files != 3 || list[0].Bytes != 6 {
		t.Errorf("%v, %+v", err, list)
	}
}

func TestNothingChangedIsNoWork(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	first := w.run()
	clear(w.calls)
	second := w.run()
	if second.Fresh || second.Object != first.Object || w.calls["put"]+w.calls["read"] != 0 {
		t.Errorf("%+v, calls %v", second, w.calls)
	}
	if StateHash(w.files()) != first.State {
		t.Error("the state differs though nothing did")
	}
	files := append(w.files(), File{Name: "b"})
	back := slices.Clone(files)
	slices.Reverse(back)
	if StateHash(files) != StateHash(back) || StateHash(files) == first.State {
		t.Error("the state must tell of every file, in any order")
	}
}

func TestOnlyWhatChangedIsReadAndSent(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.write(fmt.Sprintf("f%d", i), fmt.Sprint("content ", i))
	}
	w.run()
	w.write("f3", "new content")
	w.write("copy", "content 5")
	w.remove("f7")
	clear(w.calls)
	m := w.run()
	// f3 is read twice and sent, the copy is read and known, and the manifest is sent.
	if m.Seq != 2 || len(m.Files) != 20 || w.calls["read"] != 3 || w.calls["put"] != 2 {
		t.Errorf("calls %v, %d files", w.calls, len(m.Files))
	}
}

func TestObjectsThatWereLostAreSentAgain(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	m := w.run()
	if err := os.Remove(w.object(m.Files[0].SHA256)); err != nil {
		t.Fatal(err)
	}
	again := w.run()
	if !again.Fresh || again.Seq != 2 {
		t.Errorf("%+v", again)
	}
	if r, err := Verify(context.Background(), w.store(), again, VerifyOptions{Share: 1}); err != nil || !r.OK() {
		t.Errorf("%v, %+v", err, r)
	}
}

func TestFileThatGrowsWhileItIsReadIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	reads := 0
	w.hook = func(op, _ string) error {
		if op == "read" {
			reads++
			if reads == 2 {
				w.write("a", "one and more")
			}
		}
		return nil
	}
	m := w.run()
	if reads != 4 || m.Files[0].Size != 12 || m.Files[0].Stamp != "" {
		t.Errorf("%d reads, %+v", reads, m.Files)
	}

	w = newWorld(t)
	w.write("a", "one")
	n := 0
	w.hook = func(op, _ string) error {
		if op == "read" {
			n++
			w.write("a", fmt.Sprint("restless ", n))
		}
		return nil
	}
	_, err := Run(context.Background(), w.job())
	if !errors.Is(err, ErrChanging) || backend.ClassOf(err) != backend.ClassContent {
		t.Errorf("it ended with %v", err)
	}
	if list, err := allBackups(context.Background(), w.store()); err != nil || len(list) != 0 {
		t.Errorf("%v, %+v", err, list)
	}
}

func TestFileThatWentAwayIsLeftOut(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	w.write("b", "two")
	job := w.job()
	w.remove("b")
	m, err := Run(context.Background(), job)
	if err != nil || len(m.Files) != 1 || m.State == StateHash(w.files()) {
		t.Errorf("%v, %+v", err, m)
	}
}

func TestStoresOwnNotFoundIsNoFileThatWentAway(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	w.hook = func(op, _ string) error {
		if op == "put" {
			return fmt.Errorf("its folder is gone: %w", os.ErrNotExist)
		}
		return nil
	}
	if m, err := Run(context.Background(), w.job()); err == nil {
		t.Errorf("a backup without its files: %+v", m)
	}
}

func TestNamesThatAreNotPlainAreRefused(t *testing.T) {
	for _, name := range []string{"", ".", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a\x00b", "a\xffb", StagePrefix + "1/x", strings.Repeat("n", maxName+1)} {
		if checkName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
	for _, names := range [][]string{{"a", "a"}, {"a", "a/b"}, {"x/y", "x/y/z/w", "x/q"}} {
		if checkNames(names) == nil {
			t.Errorf("%v are allowed", names)
		}
	}
	if err := checkNames([]string{"a.b", "a/b", "a/c", ".hidden", "a b/ü", "..a", `a\b`, "a\nb"}); err != nil {
		t.Error(err)
	}
	_, err := Run(context.Background(), Job{Set: set, Store: newWorld(t).store(), Files: []File{{Name: "../x"}}})
	if backend.ClassOf(err) != backend.ClassContent {
		t.Errorf("it ended with %v", err)
	}
	if _, err := Run(context.Background(), Job{Set: set}); backend.ClassOf(err) != backend.ClassConfiguration {
		t.Errorf("without a store: %v", err)
	}
}

func TestDamagedManifestGivesWayToTheOneBefore(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	first := w.run()
	w.write("a", "two two")
	second := w.run()
	file := w.root + "/backups/" + second.Object
	if err := os.WriteFile(file, []byte(`{"format":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Latest(context.Background(), w.store(), set)
	if err != nil || got.Object != first.Object {
		t.Errorf("%v, %+v", err, got)
	}
	third := w.run()
	if third.Seq != 3 {
		t.Errorf("the number of a damaged manifest is used again: %+v", third)
	}
	list, err := allBackups(context.Background(), w.store())
	if err != nil || len(list) != 3 || list[1].Err == nil || list[1].Complete {
		t.Errorf("%v, %+v", err, list)
	}
	if _, err := Read(context.Background(), w.store(), second.Object); !damaged(err) {
		t.Errorf("read: %v", err)
	}
	if _, err := Read(context.Background(), w.store(), "objects/aa/bb"); err == nil {
		t.Error("an object was read as a manifest")
	}
	if _, err := Latest(context.Background(), w.store(), Set{Home: "h1", Kind: "metadata"}); !errors.Is(err, ErrNone) {
		t.Errorf("another kind: %v", err)
	}
}

func TestVerifyFindsWhatIsMissingOrDamaged(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.write(fmt.Sprintf("f%d", i), fmt.Sprint("content ", i))
	}
	w.write("twice", "content 1")
	m := w.run()
	if r, err := Verify(context.Background(), w.store(), m, VerifyOptions{Share: 0.25}); err != nil || !r.OK() || r.Objects != 10 || r.Read != 3 {
		t.Errorf("%v, %+v", err, r)
	}
	missing, bad := m.Files[2].SHA256, m.Files[4].SHA256
	if err := os.Remove(w.object(missing)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.object(bad), []byte("content X"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(context.Background(), w.store(), m, VerifyOptions{Share: 1, RemoveDamaged: true})
	if err != nil || !slices.Equal(r.Missing, []string{missing}) || !slices.Equal(r.Damaged, []string{bad}) {
		t.Errorf("%v, %+v", err, r)
	}
	again := w.run()
	if r, err := Verify(context.Background(), w.store(), again, VerifyOptions{Share: 1}); err != nil || !again.Fresh || !r.OK() {
		t.Errorf("after another backup: %v, %+v", err, r)
	}
	w.hook = func(op, _ string) error {
		if op == "get" {
			return &backend.Error{Class: backend.ClassNetwork, Op: "get", Err: errors.New("away")}
		}
		return nil
	}
	if _, err := Verify(context.Background(), w.store(), again, VerifyOptions{Share: 1}); backend.ClassOf(err) != backend.ClassNetwork {
		t.Errorf("a store that is away is no damage: %v", err)
	}
}

var errKilled = errors.New("killed")

func TestKilledAtAnyStepItConverges(t *testing.T) {
	for _, how := range []string{"error", "panic", "cancel"} {
		for k := 1; ; k++ {
			w := newWorld(t)
			w.write("a", "one")
			w.write("d/b", "two")
			first := w.run()
			w.write("a", "three")
			w.write("d/c", "four")
			hit := w.killedAt(k, how)
			for _, s := range mustList(t, w) {
				if !s.Complete {
					t.Fatalf("%s at step %d: %s is not complete", how, k, s.Object)
				}
			}
			m := w.run()
			if r, err := Verify(context.Background(), w.store(), m, VerifyOptions{Share: 1}); err != nil || !r.OK() || len(m.Files) != 3 || m.Seq <= first.Seq {
				t.Fatalf("%s at step %d: %v, %+v, %+v", how, k, err, r, m)
			}
			if !hit {
				if k < 8 {
					t.Errorf("only %d steps", k)
				}
				break
			}
		}
	}
}

func mustList(t testing.TB, w *world) []summary {
	t.Helper()
	list, err := allBackups(context.Background(), w.store())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (w *world) killedAt(k int, how string) (hit bool) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	n := 0
	w.hook = func(op, _ string) error {
		n++
		switch {
		case n < k:
			return nil
		case n == k && how == "panic":
			hit = true
			panic(op)
		case n == k && how == "cancel":
			hit = true
			cancel(errKilled)
			return nil
		case how == "cancel":
			return nil
		}
		hit = true
		return errKilled
	}
	defer func() { w.hook = nil; _ = recover() }()
	_, _ = Run(ctx, w.job()) // what it returns is told by other tests
	return hit
}

func TestReplacedRunWritesNoManifest(t *testing.T) {
	w := newWorld(t)
	w.write("a", "one")
	job := w.job()
	alive := true
	w.hook = func(op, name string) error {
		if op == "after put" && strings.HasPrefix(name, objectsPrefix) {
			alive = false
		}
		return nil
	}
	job.Alive = func() bool { return alive }
	if _, err := Run(context.Background(), job); !errors.Is(err, ErrReplaced) || len(mustList(t, w)) != 0 {
		t.Errorf("it ended with %v", err)
	}
}

func TestPruneKeepsTheChosenAndWhatTheyNeed(t *testing.T) {
	w := newWorld(t)
	other := w.job()
	other.Set.Home = "h2"
	w.write("shared", "of both")
	other.Files = w.files()
	if _, err := Run(context.Background(), other); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		w.write("changing", fmt.Sprint("version ", i))
		w.run()
		w.clk.Shift(24 * time.Hour)
	}
	r := Retention{Last: 2, Weekly: 1, Min: 1}
	now := w.clk.Now().Add(time.Hour)
	if p, err := Prune(context.Background(), w.store(), set, Retention{Last: 2, Min: 1, Grace: 1000 * time.Hour}, now); err != nil || p.Manifests != 8 || p.Objects != 0 || p.Kept != 2 {
		t.Errorf("within the grace: %v, %+v", err, p)
	}
	p, err := Prune(context.Background(), w.store(), set, r, now)
	if err != nil || p.Manifests != 0 || p.Objects != 8 || p.Kept != 2 {
		t.Errorf("%v, %+v", err, p)
	}
	for _, s := range mustList(t, w) {
		if !s.Complete {
			t.Errorf("%s lost something", s.Object)
		}
	}
	if n := len(mustList(t, w)); n != 3 {
		t.Errorf("%d are left", n)
	}
}

func TestUnreadableManifestKeepsAllObjects(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.write("a", fmt.Sprint("version ", i))
		w.run()
	}
	name := set.prefix() + "0000000009-20260101T000000Z-0123456789abcdef.manifest.json"
	if err := w.store().PutObject(context.Background(), name, strings.NewReader("{"), 1); err != nil {
		t.Fatal(err)
	}
	p, err := Prune(context.Background(), w.store(), set, Retention{Last: 1}, w.clk.Now().Add(time.Hour))
	if err != nil || p.Objects != 0 || p.Manifests != 2 || !slices.Equal(p.Unreadable, []string{name}) {
		t.Errorf("%v, %+v", err, p)
	}
}

// Whatever the times say and however many are incomplete: the newest complete ones by number stay.
func TestRetentionNeverGoesBelowTheLeast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sum := strings.Repeat("ab", 32)
		present := objects{sum: backend.Object{Size: 1}}
		var ms []Manifest
		for i := range rapid.IntRange(0, 30).Draw(rt, "n") {
			m := Manifest{Object: fmt.Sprint(i), Time: time.Unix(rapid.Int64Range(-1<<33, 1<<33).Draw(rt, "time"), 0)}
			m.Files = []Entry{{Size: int64(rapid.IntRange(1, 2).Draw(rt, "size")), SHA256: sum}}
			ms = append(ms, m)
		}
		draw := func(name string) int { return rapid.IntRange(-1, 5).Draw(rt, name) }
		r := Retention{Last: draw("last"), Daily: draw("daily"), Weekly: draw("weekly"), Monthly: draw("monthly"), Min: draw("min")}
		keep := r.choose(ms, present)
		complete := 0
		for i := range ms {
			if !present.complete(&ms[i]) {
				continue
			}
			complete++
			if complete <= max(1, r.Min, r.Last) && !keep[ms[i].Object] {
				rt.Fatalf("the %d. newest complete one goes: %+v", complete, r)
			}
		}
		if most := max(1, r.Min, r.Last) + max(0, r.Daily) + max(0, r.Weekly) + max(0, r.Monthly); len(keep) > most+len(ms)-complete {
			rt.Fatalf("%d are kept", len(keep))
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	w := newWorld(f)
	w.write("a/b", "one")
	w.write("c", "two")
	m := w.run()
	data, _, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, s := range []string{"", "{}", "null", `{"format":1,"kind":"k","home_id":"h","files":null}`, `{"format":2}`,
		`{"format":1,"kind":"k","home_id":"h","files":[{"name":"../x","sha256":"` + strings.Repeat("0", 64) + `"}]}`,
		`{"format":1,"kind":"../k","home_id":"h"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			if !damaged(err) {
				t.Errorf("what kind of error is this: %v", err)
			}
			return
		}
		for _, e := range m.Files {
			if checkName(e.Name) != nil || !isSum(e.SHA256) || e.Size < 0 {
				t.Errorf("%+v", e)
			}
		}
		out, sum, err := m.encode()
		if err != nil {
			return // a year that JSON can't write
		}
		again, err := ParseManifest(out)
		if err != nil || len(again.Files) != len(m.Files) {
			t.Errorf("%v, %+v", err, again)
		}
		if r, ok := parseRef(refName(&m, sum)); m.Time.Year() > 0 && m.Seq < 1<<62 && (!ok || r.seq != m.Seq) {
			t.Errorf("%s is not read", refName(&m, sum))
		}
	})
}

func TestProvenContentEndsWellOnlyWhenItIsWhatItShouldBe(t *testing.T) {
	sum := "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	for text, good := range map[string]bool{"hello": true, "hellO": false, "hell": false, "hello!": false, "": false} {
		got, err := io.ReadAll(newProven(strings.NewReader(text), "x", sum, 5))
		if (err == nil) != good || err != nil && !errors.Is(err, ErrChanging) || good && string(got) != text {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(newProven(strings.NewReader("hellO"), "x", sum, 5), buf); err == nil {
		t.Error("a reader that knows the size and stops there was not told")
	}
}
