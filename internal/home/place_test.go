package home

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

func TestABackendDoesNotGetTheMachineOrTheHome(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(dir, Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := os.Mkdir(filepath.Join(dir, dirBackends), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"machine": {"/", "its path is /, the whole machine: give it a folder of its own"},
		"dots":    {"/tmp/..", "the whole machine"},
		"home":    {dir + "/", "is the home itself: give it a folder of its own"},
		"own":     {filepath.Join(dir, "disk"), ""},
	} {
		text := "type: filesystem\nstorage_path: " + c.path + "\n"
		if err := os.WriteFile(filepath.Join(dir, dirBackends, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		configs, _, err := h.Configs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if configs[name].Err != nil {
			got = configs[name].Err.Error()
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
}

// People write no and off where they mean false, and Python reads them so.
func TestABackendIsLeftAloneInWhateverWordItIsSaid(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(dir, Options{Clock: clock.System})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for word, want := range map[string]bool{"false": false, "no": false, "Off": false, "'False'": false, "true": true, "yes": true, "on": true, "perhaps": true, "": true} {
		file := filepath.Join(dir, dirBackends, "nas.yaml")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		// What else is missing is nobody's trouble while it is left alone.
		if err := os.WriteFile(file, []byte("type: filesystem\nbackup: "+word+"\npaused: "+word+"\nenabled: "+word+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		configs, problems, err := h.Configs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := configs["nas"]
		if c.Enabled != want || (len(problems) > 0) != want {
			t.Errorf("enabled: %s is %v, with the problems %v", word, c.Enabled, problems)
		}
		sure := want && word != "perhaps" && word != ""
		if c.Paused != sure || (c.Backup != nil) != (word != "perhaps" && word != "") || c.Backup != nil && *c.Backup != want {
			t.Errorf("%s: paused %v, backup %v", word, c.Paused, c.Backup)
		}
	}
}

// What the last look found is all that is read again: a mark that stands as it was is not.
func TestOnlyMarksAndMappingsThatChangedAreNamed(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		old := clock.System.Now().Add(-time.Hour)
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
	const mark = `{"is_dirty": true, "pending_actions": [{"action_type": "pin_add", "timestamp": 1, "cid": "x", "synced": false}]}`
	put("backend_index/dirty_metadata/a_dirty.json", mark)
	put("backend_state/b_dirty.json", mark)
	put("backends/c/dirty_metadata", mark)
	put("backends/d/dirty_metadata/d_dirty.json", mark)
	clk := &clock.Shifted{}
	clk.Shift(time.Hour) // so that the files are no news
	h, err := Open(dir, Options{Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	last := map[string]*Dirty{}
	look := func(want string) {
		t.Helper()
		names, err := h.ChangedMarks(t.Context(), last)
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Fatalf("changed: %q (%v), want %q", got, err, want)
		}
		for _, n := range names {
			if last[n], err = h.ReadDirty(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	look("a b c d")
	look("")
	put("backend_state/b_dirty.json", mark+" ")
	look("b")
	put("backend_state/a_dirty.json", mark) // a second place
	look("a")
	for _, gone := range []string{"backends/c/dirty_metadata", "backends/d/dirty_metadata/d_dirty.json"} {
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	look("c d")
	look("")
	if err := os.Symlink(filepath.Join(dir, "backends/d"), filepath.Join(dir, "backends/e")); err != nil {
		t.Fatal(err)
	}
	put("backends/d/dirty_metadata/d_dirty.json", mark)
	names, err := h.ChangedMarks(t.Context(), last)
	if err != nil || !strings.Contains(strings.Join(names, " "), "d") {
		t.Errorf("%v %v", names, err)
	}
}

// What people write as an address shows no user and no password, also where it is no URL.
func TestAnAddressShowsNoCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"https://u:hidden1@host:9000/x?token=hidden2": "https://host:9000/x",
		"u:hidden1@nas.local":                         "nas.local",
		"ftp://u:hid@den1@ho st/x":                    "ho st/x",
		"http://host:bad?token=hidden2":               "http://host:bad",
		"https://host/#token=hidden2":                 "https://host/",
		"localhost:5001":                              "localhost:5001",
		"127.0.0.1:5001":                              "127.0.0.1:5001",
		"/ip4/127.0.0.1/tcp/5001":                     "/ip4/127.0.0.1/tcp/5001",
		"https://host:9000/x":                         "https://host:9000/x",
		"/mnt/what? #1":                               "/mnt/what? #1",
		"":                                            "",
	} {
		if got := withoutCredentials(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
