package cli

import (
	"bytes"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

// The signal of a state that was read already may come after: it is no news.
func TestAStateIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	l := &lines{a: &app{env: Env{Stdout: &out}, clk: clock.System}, told: "running"}
	for _, state := range []string{"running", "degraded", "degraded", "running"} {
		if err := l.event(t.Context(), nil, status.Happening{Event: "service_changed", Changed: map[string]any{"State": state}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(out.String(), "\n"); got != 2 || !strings.Contains(out.String(), "is degraded") || !strings.Contains(out.String(), "is running") {
		t.Errorf("%q", out.String())
	}
}
