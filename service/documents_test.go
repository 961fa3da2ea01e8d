package service

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

// schema compiles an installed schema; here a key that it does not name is a mistake, while programs must take one.
func schema(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.Source(t), "packaging/schemas", name+".schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:ipfskit:intelligent1:"+name, closed(doc)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("urn:ipfskit:intelligent1:" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closed forbids keys that are not named, wherever keys are named.
func closed(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			closed(e)
		}
		if _, names := x["properties"].(map[string]any); names && x["type"] != nil {
			x["additionalProperties"] = false
		}
	case []any:
		for _, e := range x {
			closed(e)
		}
	}
	return v
}

func holds(t testing.TB, name string, doc []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err == nil {
		err = schema(t, name).Validate(v)
	}
	if err != nil {
		t.Errorf("%s: %v\n%.2000s", name, err, doc)
	}
}

// served is a service on a real home. It is paused from the start: where the
// backends of such a home lie is not ours to write to.
func served(t *testing.T, home string) (*world, *client.Client) {
	t.Helper()
	w := newWorld(t)
	w.home, w.o.Paths.Home = home, home
	w.before = func(s *Service) { s.Pause(t.Context(), "", 0) }
	address, _ := w.onBus()
	c, err := client.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w.until("the home is read", func() bool {
		m, err := c.Properties(t.Context())
		return err == nil && m.State == status.StatePaused
	})
	return w, c
}

// unpack gives the folders of the real homes, by name.
func homes(t *testing.T) map[string]string {
	t.Helper()
	archives, err := filepath.Glob(filepath.Join(testenv.Source(t), "internal/catalog/testdata/homes/*.tar.gz"))
	if err != nil || len(archives) < 12 {
		t.Fatal(archives, err)
	}
	dir := t.TempDir()
	out := map[string]string{}
	for _, a := range archives {
		if b, err := exec.Command("tar", "xzf", a, "-C", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		name := strings.TrimSuffix(filepath.Base(a), ".tar.gz")
		if _, err := os.Stat(filepath.Join(dir, name, ".ipfs_kit")); err == nil {
			out[name] = filepath.Join(dir, name, ".ipfs_kit")
		}
	}
	return out
}

// everything checks each document that the service gives.
func everything(t *testing.T, w *world, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	check := func(name string, doc []byte, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		holds(t, name, doc)
	}
	for _, detailed := range []bool{false, true} {
		doc, err := c.Status(ctx, detailed, nil, "")
		check("status", doc, err)
	}
	doc, err := c.Insights(ctx)
	check("insights", doc, err)
	doc, err = c.Health(ctx)
	check("health", doc, err)
	page, _, err := c.ListBackends(ctx, status.BackendQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range page {
		if strings.Contains(b.Name, "\uFFFD") {
			continue // a text of the bus can't name it; its object is there
		}
		doc, err := c.Explain(ctx, b.Name)
		check("explain", doc, err)
		doc, err = c.Status(ctx, false, []string{b.Name}, "")
		check("status", doc, err)
	}
	doc, err = c.Where(ctx, "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
	check("where", doc, err)
	if w.s.Manager().State == status.StateRunning {
		doc, err = c.PlanSync(ctx, nil, false)
		check("plan-sync", doc, err)
	}
	f, err := c.History(ctx, status.HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := json.NewDecoder(f); d.More(); {
		var line json.RawMessage
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		check("history-line", line, nil)
	}
}

func TestDocumentsOfRealHomesHoldTheirSchemas(t *testing.T) {
	for name, home := range homes(t) {
		t.Run(name, func(t *testing.T) {
			w, c := served(t, home)
			everything(t, w, c)
		})
	}
}

func TestDocumentsOfEveryStateHoldTheirSchemas(t *testing.T) {
	w := newWorld(t)
	if err := os.Rename(w.home, w.home+".away"); err != nil {
		t.Fatal(err)
	}
	address, _ := w.onBus()
	c, err := client.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w.until("waiting for a home", func() bool { m, err := c.Properties(t.Context()); return err == nil && m.State == status.StateWaiting })
	everything(t, w, c)
	if err := os.Rename(w.home+".away", w.home); err != nil {
		t.Fatal(err)
	}
	w.until("running", func() bool { return w.s.Manager().State == status.StateRunning })
	w.backend("nas")
	root := w.backend("gone")
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root, []byte("a file where a folder should be"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.put("backends/odd.yaml", "name: odd\ntype: [\n")
	w.put("backends/cloud.yaml", "name: cloud\ntype: carrier-pigeon\n")
	w.mark("nas", w.car(1), "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy") // one that nobody has
	w.mark("cloud", w.car(2))
	w.put("backend_index/dirty_metadata/torn_dirty.json", "{")
	w.put("backends/\xff\xfe.yaml", "type: filesystem\nstorage_path: /nowhere\n")
	w.until("blocked, unhealthy and misconfigured", func() bool {
		m := w.s.Manager()
		gone, ok := w.s.Backend("gone")
		return m.BlockedBackends >= 2 && m.UnhealthyBackends >= 2 && ok && gone.ErrorCount > 0
	})
	if err := w.s.Pause(t.Context(), "nas", time.Hour); err != nil {
		t.Fatal(err)
	}
	everything(t, w, c)
	if err := w.s.Pause(t.Context(), "", 0); err != nil {
		t.Fatal(err)
	}
	everything(t, w, c)
}

// What the programs print is held too, and that they print what the bus gives.
func TestWhatCommandsPrintHoldsItsSchema(t *testing.T) {
	bin := program(t)
	w := newWorld(t)
	w.backend("nas")
	cid := w.car(1)
	address, _ := w.onBus()
	c := w.client(address)
	dir := filepath.Dir(w.home)
	environ := []string{"HOME=" + dir, "IPFS_KIT_HOME=" + w.home, "XDG_RUNTIME_DIR=" + dir + "/run", "DBUS_SESSION_BUS_ADDRESS=" + address}
	run := func(args ...string) (stdout, stderr []byte) {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Env = environ
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		cmd.Run()
		return out.Bytes(), errs.Bytes()
	}
	ids, err := c.Sync(t.Context(), []string{"nas"}, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"outcomes": {"sync", "--backend", "nas", "--wait", "--json"}, "status": {"status", "--json"}, "insights": {"insights", "--json"},
		"health": {"health", "--json"}, "explain": {"explain", "nas", "--json"}, "where": {"where", cid, "--json"}, "plan-sync": {"sync", "--dry-run", "--json"},
		"tasks": {"tasks", "--json"}, "task": {"task", "show", fmt.Sprint(ids[0]), "--json"}, "backends": {"backends", "--json"}, "errors": {"errors", "--json"}, "doctor": {"doctor", "--json"},
		"version": {"version", "--json"}, "dismiss": {"dismiss", "nas", "--yes", "--json"}, "config-check": {"config", "check", "--json"},
		"config-show": {"config", "show", "--json"}, "drop-in": {"doctor", "--drop-in", "--json"},
	} {
		out, errs := run(args...)
		if len(out) == 0 {
			t.Errorf("%v printed nothing: %s", args, errs)
			continue
		}
		holds(t, name, out)
	}
	out, _ := run("history", "--json")
	for line := range bytes.Lines(out) {
		holds(t, "history-line", line)
	}
	if len(out) == 0 {
		t.Error("history --json printed nothing")
	}
	for _, args := range [][]string{{"explain", "nobody"}, {"nonsense"}, {"sync", "--no-such-flag"}, {"pause", "--for", "-1s"}, {"task", "cancel", "1"}, {"inspect", "/nowhere.json"}} {
		_, errs := run(append(args, "--json")...)
		holds(t, "error", errs)
	}
	w.until("calm", func() bool { return w.s.Manager().TasksActive+w.s.Manager().TasksQueued == 0 })
	for _, args := range [][]string{{"insights"}, {"health"}, {"status"}, {"status", "--detailed"}} {
		out, _ := run(append(args, "--json")...)
		var doc []byte
		switch args[0] {
		case "insights":
			doc, err = c.Insights(t.Context())
		case "health":
			doc, err = c.Health(t.Context())
		default:
			doc, err = c.Status(t.Context(), len(args) > 1, nil, "")
		}
		if err != nil || string(stable(t, out)) != string(stable(t, doc)) {
			t.Errorf("%v prints\n%s\nand the bus gives\n%s", args, stable(t, out), stable(t, doc))
		}
	}
	watch := exec.CommandContext(t.Context(), bin, "watch", "--json")
	watch.Env = environ
	pipe, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	clean := false
	for n := 0; !clean && lines.Scan(); n++ {
		if n == 0 {
			w.mark("nas", cid)
		}
		holds(t, "watch-line", slices.Clone(lines.Bytes()))
		clean = strings.Contains(lines.Text(), `"backend_clean"`)
	}
	if !clean {
		t.Error("watch ended before the mark was cleared")
	}
	watch.Process.Kill()
	watch.Wait()
}

// stable leaves out of a document what passes with the time.
func stable(t *testing.T, doc []byte) []byte {
	t.Helper()
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(doc)), "\n"), func(l string) bool {
		for _, k := range []string{"seconds\"", "\"now\"", "last_beat", "iterations", "next_run", "next_wake", "_age\"", "per_minute"} {
			if strings.Contains(l, k) {
				return true
			}
		}
		return false
	})
	return []byte(strings.Join(lines, "\n"))
}

// floats are upstream's keys whose numbers have a fraction; where there was nothing to count it wrote 0 for some of them.
var floats = map[string]bool{"average_redundancy": true, "last_bucket_scan": true, "bucket_scan_age_seconds": true, "health_percentage": true, "response_time_ms": true,
	"average_pins_per_bucket": true, "average_ms": true, "median_ms": true, "max_ms": true, "min_ms": true, "average_per_backend": true,
	"metadata_freshness_seconds": true, "avg_backend_health_check_age": true}

// byName are objects whose keys are names of the home, and not of the document.
var byName = map[string]bool{"bucket_backend_distribution": true, "backend_types": true, "dirty_backend_actions": true, "status_distribution": true,
	"pin_status_distribution": true, "cid_redundancy": true, "backend_status_details": true}

// kinds flattens a document to its keys and the JSON types behind them.
func kinds(t *testing.T, doc []byte) map[string]string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(path, key string, v any)
	walk = func(path, key string, v any) {
		switch x := v.(type) {
		case map[string]any:
			out[path] = "object"
			for k, e := range x {
				if byName[key] {
					k = "*"
				}
				walk(path+"."+k, k, e)
			}
		case []any:
			out[path] = "array"
			for _, e := range x {
				walk(path+"[]", key, e)
			}
		case string:
			out[path] = "string"
		case bool:
			out[path] = "bool"
		case nil:
			out[path] = "null"
		case json.Number:
			out[path] = "int"
			if strings.ContainsAny(x.String(), ".eE") {
				out[path] = "float"
			}
		}
	}
	walk("", "", v)
	return out
}

// sameKinds holds our document to one of upstream's.
func sameKinds(t *testing.T, ours, upstream map[string]string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(upstream)) {
		want, key := upstream[path], path[strings.LastIndexByte(path, '.')+1:]
		if floats[key] {
			want = "float"
		}
		got, there := ours[path]
		switch {
		case got == want:
		case !there && (strings.Contains(path, "*") || strings.HasSuffix(path, "[]")): // nothing of that name here
		case want == "null" && (got == "string" || got == "bool"):
		default:
			t.Errorf("upstream's %s is %s, ours is %q", path, want, got)
		}
	}
}

func TestUpstreamsKeysHaveUpstreamsTypesOnEveryHome(t *testing.T) {
	always := map[string]map[string]string{}
	upstream := func(home, what string) map[string]string {
		data, err := os.ReadFile(filepath.Join(testenv.Source(t), "internal/status/testdata/upstream", home+".head."+what+".json"))
		if err != nil {
			return nil
		}
		return kinds(t, data)
	}
	for _, what := range []string{"status", "insights"} {
		for _, home := range []string{"fresh", "indexed", "daemon-json"} {
			k := upstream(home, what)
			if k == nil {
				t.Fatalf("no %s of %s", what, home)
			}
			if always[what] == nil {
				always[what] = k
			}
			maps.DeleteFunc(always[what], func(path, _ string) bool { _, ok := k[path]; return !ok })
		}
	}
	for name, home := range homes(t) {
		t.Run(name, func(t *testing.T) {
			w, c := served(t, home)
			w.until("the pins are indexed", func() bool {
				w.s.mu.Lock()
				defer w.s.mu.Unlock()
				return w.s.redundancy != nil
			})
			for what, get := range map[string]func() ([]byte, error){
				"status": func() ([]byte, error) { return c.Status(t.Context(), true, nil, "") }, "insights": func() ([]byte, error) { return c.Insights(t.Context()) }} {
				doc, err := get()
				if err != nil {
					t.Fatal(err)
				}
				ours := kinds(t, doc)
				sameKinds(t, ours, always[what])
				if k := upstream(name, what); k != nil {
					sameKinds(t, ours, k)
				}
				for path, kind := range ours { // also where upstream showed none
					if key := path[strings.LastIndexByte(path, '.')+1:]; floats[key] && kind != "float" {
						t.Errorf("%s is %s, Python expects a float", path, kind)
					}
				}
			}
		})
	}
}

// Types are counted as they are spelled: upstream resolves no aliases there.
func TestTypesAreCountedAsTheyAreSpelled(t *testing.T) {
	_, c := served(t, homes(t)["daemon-json"])
	types := func(doc []byte, err error) map[string]int {
		t.Helper()
		var v struct {
			Analysis struct {
				Types map[string]int `json:"backend_types"`
			} `json:"backend_analysis"`
		}
		if err == nil {
			err = json.Unmarshal(doc, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v.Analysis.Types
	}
	want := types(os.ReadFile(filepath.Join(testenv.Source(t), "internal/status/testdata/upstream/daemon-json.head.insights.json")))
	if got := types(c.Insights(t.Context())); !maps.Equal(got, want) || want["local_fs"] == 0 {
		t.Errorf("%v, upstream's are %v", got, want)
	}
}

func TestStatusListsAHundredAndCountsAll(t *testing.T) {
	w := newWorld(t)
	const n = 250
	for i := range n {
		w.put(fmt.Sprintf("backends/odd-%03d.yaml", i), "type: carrier-pigeon\n")
	}
	w.backend("nas")
	address, _ := w.onBus()
	c := w.client(address)
	w.until("all", func() bool { return w.s.Manager().Backends == n+1 })
	type view struct {
		Stats struct {
			Unhealthy []string `json:"unhealthy_backends"`
			Count     int      `json:"unhealthy_count"`
			Truncated bool     `json:"truncated"`
		} `json:"metadata_driven_stats"`
		Details   map[string]any `json:"backend_status_details"`
		Count     int            `json:"backend_status_count"`
		Truncated bool           `json:"truncated"`
	}
	get := func(detailed bool, names []string, state string) (v view) {
		t.Helper()
		doc, err := c.Status(t.Context(), detailed, names, state)
		if err == nil {
			err = json.Unmarshal(doc, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := get(false, nil, ""); len(v.Stats.Unhealthy) != 100 || v.Stats.Count != n || !v.Stats.Truncated || len(v.Details) != 100 || v.Count != n || !v.Truncated {
		t.Errorf("short: %d of %d, %d details of %d", len(v.Stats.Unhealthy), v.Stats.Count, len(v.Details), v.Count)
	}
	if v := get(true, nil, ""); len(v.Stats.Unhealthy) != n || v.Stats.Truncated || len(v.Details) != n+1 || v.Truncated {
		t.Errorf("detailed: %d, %d details", len(v.Stats.Unhealthy), len(v.Details))
	}
	var names []string
	for i := range 150 {
		names = append(names, "odd-"+strings.Repeat("0", 3-len(strconv.Itoa(i)))+strconv.Itoa(i))
	}
	if v := get(false, names, ""); len(v.Details) != 150 || v.Truncated {
		t.Errorf("named: %d details", len(v.Details))
	}
	if v := get(false, nil, status.HealthMisconfigured); len(v.Details) != 100 || v.Count != n || !v.Truncated {
		t.Errorf("of a state: %d details of %d", len(v.Details), v.Count)
	}
}

// A mark that is torn when the service begins, or that alone names its backend, counts when it had its time to settle.
func TestATornMarkCountsOnceItSettled(t *testing.T) {
	w := newWorld(t)
	w.configure("intervals: {dirty: 1h, metadata: 1h}\n") // whose looks at everything would find it, too
	w.backend("nas")
	w.put("backend_index/dirty_metadata/nas_dirty.json", `{"is_`)
	w.start()
	w.until("the one of before", func() bool { return w.dirty("nas") })
	w.put("backend_state/unknown_dirty.json", `{"is_`)
	w.until("the one that nothing else names", func() bool { return w.dirty("unknown") })
	var problems struct{ Problems []struct{ File string } }
	doc, err := w.s.StatusJSON(t.Context(), dbus.StatusOptions{})
	if err := errors.Join(err, json.Unmarshal(doc, &problems)); err != nil || len(problems.Problems) != 2 {
		t.Errorf("%v, %+v", err, problems)
	}
}

// A mark that alone named its backend takes that along; who listens hears all the same that it is clean.
func TestTheEndOfAMarkThatAloneNamesItsBackendIsTold(t *testing.T) {
	w := newWorld(t)
	w.start()
	file := "backend_index/dirty_metadata/ghost_dirty.json"
	w.put(file, `{"backend_name": "ghost", "is_dirty": true, "pending_actions": [{"cids": ["QmA"], "synced": false}]}`)
	w.until("the mark", func() bool { return w.dirty("ghost") })
	if err := os.Remove(filepath.Join(w.home, file)); err != nil {
		t.Fatal(err)
	}
	w.until("its end", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return slices.ContainsFunc(w.seen, func(ev status.Event) bool { return ev.Kind == status.BackendClean && ev.Backend == "ghost" })
	})
}

// Who waits until all is clean just after a mark was written means that mark too.
func TestAMarkThatWasWrittenJustBeforeCounts(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.backend(fmt.Sprintf("b%d", i))
	}
	w.start()
	w.until("the home", func() bool { return w.s.Manager().Backends == 20 })
	if err := w.s.Pause(t.Context(), "", 0); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		name := fmt.Sprintf("b%d", i)
		w.mark(name, "bafkqaaa")
		if _, err := w.s.StatusJSON(t.Context(), dbus.StatusOptions{Current: true}); err != nil || !w.dirty(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
