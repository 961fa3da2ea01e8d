package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpFitsEightyColumnsAndNamesEachCommandsUse(t *testing.T) {
	scripts := allScripts(t)
	for _, name := range []string{"ipfs-kit-intelligent", "ipfs-kit daemon intelligent"} {
		a := &app{env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, name: name}
		var visit func(*cobra.Command)
		visit = func(c *cobra.Command) {
			var out bytes.Buffer
			c.SetOut(&out)
			if err := c.Help(); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(out.String()) {
				if line = strings.TrimSuffix(line, "\n"); width(line) > 80 {
					t.Errorf("%s: %d columns: %s", c.CommandPath(), width(line), line)
				}
			}
			if !strings.HasPrefix(c.CommandPath(), name) || c.Short == "" {
				t.Errorf("%q has no short text, or is not below %s", c.CommandPath(), name)
			}
			for line := range strings.Lines(c.Example) {
				typed := strings.ReplaceAll(strings.TrimSpace(line), "ipfs-kit daemon intelligent", "ipfs-kit-intelligent")
				if !regexp.MustCompile(regexp.QuoteMeta(typed) + `($|[\n'" ])`).MatchString(scripts) {
					t.Errorf("no script types the example of %s: %s", c.CommandPath(), typed)
				}
			}
			for _, sub := range c.Commands() {
				visit(sub)
			}
		}
		visit(a.root())
	}
}

// allScripts is what all scripts of the tests type.
func allScripts(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	var all strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}
