package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/testenv"
)

func TestReferenceAndManualsAreWhatIsGenerated(t *testing.T) {
	root := testenv.Source(t)
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range want {
		is, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || string(is) != text {
			t.Errorf("%s is not what the source says (%v): make docs", path, err)
		}
	}
	for _, place := range places {
		entries, err := os.ReadDir(filepath.Join(root, place))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, ok := want[place+"/"+e.Name()]; !ok {
				t.Errorf("%s/%s is not generated: make docs", place, e.Name())
			}
		}
	}
}

func TestManualsAreCleanForMandoc(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		testenv.Skip(t, "mandoc is not installed")
	}
	for path, text := range manPages() {
		cmd := exec.Command("mandoc", "-T", "lint")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			// What is installed on this machine, and how its index is, is not about the page.
			if !strings.Contains(line, "referenced manual not found") && !strings.Contains(line, "outdated mandoc.db") {
				t.Errorf("%s: %s", path, line)
			}
		}
		if err != nil && len(out) == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Each subject of the reference is there: nothing was lost on the way from the source.
func TestReferenceHoldsWhatTheSourceHas(t *testing.T) {
	pages, err := generate(testenv.Source(t))
	if err != nil {
		t.Fatal(err)
	}
	for page, words := range map[string][]string{
		"commands.md":      {"### sync", "`--backend BACKEND`", "### task cancel", "| 78 | the configuration is wrong |"},
		"configuration.md": {"`limits.tasks`", "`15s`", "from 1 to 64"},
		"dbus.md":          {"`GetStatus`", "`HealthPercent`", "## org.ipfskit.Intelligent1.Worker", "| `NoSuchBackend` | no backend has the name |", "`/org/freedesktop/LogControl1`"},
		"schemas.md":       {"## status", "`backend_health_summary.health_percentage`"},
		"doctor.md":        {"`path-hangs` | error | the folder … of backend … does not answer", "`endpoint-refused`", "`dirty-many` | warning or info", "`home-locked` | error", "`shared-root` | error or warning"},
		"journal.md":       {"`BACKEND`", "a mark is cleared"},
	} {
		for _, w := range words {
			if !strings.Contains(pages["docs/reference/"+page], w) {
				t.Errorf("%s has no %q", page, w)
			}
		}
	}
}

// Whatever a code has to say in how many places, it is looked up in one row.
func TestEachCodeOfDoctorHasOneRow(t *testing.T) {
	page, err := doctorPage(testenv.Source(t))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, line := range strings.Split(page, "\n") {
		code, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` | ")
		if !ok {
			continue
		}
		if seen[code] {
			t.Errorf("%s is listed twice", code)
		}
		seen[code] = true
	}
	if len(seen) < 50 {
		t.Errorf("only %d codes", len(seen))
	}
}

func TestEachCodeOfDoctorIsSeededInATest(t *testing.T) {
	root := testenv.Source(t)
	page, err := doctorPage(root)
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, dir := range []string{"internal/doctor", "service"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(data)
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if code, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` | "); ok && !strings.Contains(tests.String(), code) {
			t.Errorf("no test has %s found", code)
		}
	}
}

func TestTheConfigurationOfTheManualIsRight(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "intelligent.yaml"), []byte(configurationExample), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := config.Load([]string{dir}); err != nil || len(warnings) > 0 {
		t.Errorf("%v, %v", warnings, err)
	}
}
