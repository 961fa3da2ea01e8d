package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpFitsEightyColumnsAndNamesEachCommandsUse(t *testing.T) {
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
			for _, sub := range c.Commands() {
				visit(sub)
			}
		}
		visit(a.root())
	}
}
