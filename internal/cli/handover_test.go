package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestOldFlagsAreRefusedByName(t *testing.T) {
	var errOut bytes.Buffer
	env := Env{Stdout: &bytes.Buffer{}, Stderr: &errOut, Environ: []string{"PATH=/nonexistent"}}
	if code := Main([]string{"daemon", "start", "--role=leecher"}, env); code != ExitUsage || !strings.Contains(errOut.String(), "--role") {
		t.Errorf("%d %s", code, errOut.String())
	}
}
