package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/plan"
)

func load(t *testing.T, text string) (*Config, []Warning, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "intelligent.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load([]string{filepath.Join(dir, "none"), dir})
}

func TestValuesAreReadAndTheRestIsDefault(t *testing.T) {
	c, w, err := load(t, "limits:\n  tasks: 3\nretry: {max: 1h}\nintervals:\n  dirty: 5\nschedule: {reconcile: 2d}\npriority:\n  stale: 9\nsources: [home]\n")
	if err != nil || len(w) != 0 {
		t.Fatal(w, err)
	}
	if c.Tasks != 3 || c.Plan.RetryMax != time.Hour || c.Dirty != 5*time.Second || c.Plan.Reconcile != 48*time.Hour || c.Plan.Priority[plan.CauseStale] != 9 || c.Metadata != time.Minute {
		t.Errorf("%+v", c)
	}
}

func TestLaterFilesWinByKey(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "intelligent.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"intelligent.yaml": "limits: {tasks: 3, watches: 7}", "intelligent.d/1.yaml": "limits: {tasks: 4}", "intelligent.d/2.yaml": "limits: {tasks: 5}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := Load([]string{dir})
	if err != nil || c.Tasks != 5 || c.Watches != 7 {
		t.Errorf("%+v %v", c, err)
	}
}

func TestUnknownKeyIsAWarningWithTheNearest(t *testing.T) {
	_, w, err := load(t, "limits:\n  taks: 3\n")
	if err != nil || len(w) != 1 || w[0].Line != 2 || !strings.Contains(w[0].Text, "limits.tasks") {
		t.Errorf("%v %v", w, err)
	}
}

func TestAMistypedSectionIsToldFromItsKeys(t *testing.T) {
	for name, want := range map[string]string{"intrvals": "intervals", "backup.kep": "backup.keep", "setle": "settle", "intervals.drity": "intervals.dirty"} {
		if got := nearest(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestWrongValuesAreAllNamedWithFileLineAndWhatIsAllowed(t *testing.T) {
	_, _, err := load(t, "limits:\n  tasks: many\nretry:\n  max: -3s\nlog:\n  level: loud\nbackup:\n  enabled: perhaps\n")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"intelligent.yaml:2: key limits.tasks", "from 1 to 64", "intelligent.yaml:4: key retry.max", "one of err, warning", "true or false"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "1.5d": 36 * time.Hour, "1d12h": 36 * time.Hour, "-1d": -24 * time.Hour, "100ms": 100 * time.Millisecond} {
		if got, err := Duration(text); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "d", "1w", "1d-1h", "1d+1h", "nand", "infd", "1e9d", "2562047h", "0x1d", "soon", "1 d", "1day"} {
		if got, err := Duration(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestWhatIsNoConfigurationIsSaid(t *testing.T) {
	for _, text := range []string{"- a\n", "a: [", "x: &a [*a]"} {
		if _, w, err := load(t, text); err == nil && len(w) == 0 {
			t.Errorf("%q was taken", text)
		}
	}
	if _, _, err := load(t, ""); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestPathsFollowTheEnvironment(t *testing.T) {
	env := map[string]string{"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7"}
	p, err := FindPaths(func(k string) string { return env[k] }, false)
	if err != nil || p.Home != "/home/u/.ipfs_kit" || p.State != "/home/u/.local/state/ipfs-kit-intelligent" || p.Runtime != "/run/user/7/ipfs-kit-intelligent" || p.Config[1] != "/home/u/.config/ipfs-kit" {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := FindPaths(func(string) string { return "" }, false); err == nil {
		t.Error("no error without HOME")
	}
}

func TestRuntimeFolderOfOthersIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := EnsureRuntime(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := EnsureRuntime(dir); err == nil {
		t.Error("a folder that everybody can write to was taken")
	}
}

func FuzzApply(f *testing.F) {
	f.Add("limits:\n  tasks: 3\n")
	f.Fuzz(func(_ *testing.T, text string) {
		Default().apply("f", []byte(text))
	})
}

func TestPathsAreAbsoluteOrRefused(t *testing.T) {
	for _, env := range []map[string]string{
		{"IPFS_KIT_HOME": "/h", "XDG_STATE_HOME": "/s"},
		{"IPFS_KIT_HOME": "/h", "XDG_STATE_HOME": "rel", "XDG_CONFIG_HOME": "/c"},
		{"HOME": "rel"},
	} {
		if p, err := FindPaths(func(k string) string { return env[k] }, false); err == nil {
			t.Errorf("%v: %+v", env, p)
		}
	}
	p, err := FindPaths(func(k string) string { return map[string]string{"IPFS_KIT_HOME": "rel"}[k] }, true)
	if err != nil || !filepath.IsAbs(p.Home) {
		t.Errorf("%+v %v", p, err)
	}
}

func TestDropInsAreReadBelowAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]")
	if err := os.MkdirAll(filepath.Join(dir, "intelligent.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "intelligent.d/1.yaml"), []byte("limits: {tasks: 4}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, _, err := Load([]string{dir}); err != nil || c.Tasks != 4 {
		t.Errorf("%+v %v", c, err)
	}
	notAFolder := t.TempDir()
	if err := os.WriteFile(filepath.Join(notAFolder, "intelligent.d"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load([]string{notAFolder}); err == nil {
		t.Error("drop-ins that can't be listed were passed over")
	}
}

func TestGroupsAndListsThatAreEmptyOrNone(t *testing.T) {
	if _, w, err := load(t, "limits:\nretry: ~\n"); err != nil || len(w) != 0 {
		t.Errorf("a group whose keys are commented out: %v %v", w, err)
	}
	for _, text := range []string{"limits: 3", "sources: []"} {
		if _, _, err := load(t, text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestAWrongFileCostsLittle(t *testing.T) {
	var sb strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&sb, "k%d:\n", i)
	}
	_, w, err := load(t, sb.String()+"? "+strings.Repeat("x", 100_000)+"\n: 1\n")
	if err != nil || len(w) != maxWarnings+1 {
		t.Errorf("%d warnings, %v", len(w), err)
	}
}

func TestWhatAReloadDoesNotChangeIsNamed(t *testing.T) {
	was, is := Default(), Default()
	if names := NextStart(was, is); len(names) != 0 {
		t.Error(names)
	}
	is.Aging, is.Watches, is.Tasks = time.Second, 7, 3
	if names := NextStart(was, is); !slices.Equal(names, []string{"aging", "limits.watches"}) {
		t.Error(names)
	}
}
