package cli

import (
	"bytes"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

// Where a backend is shown for its trouble, status says what to type next; where all is well it says nothing.
func TestStatusSaysWhatIsNext(t *testing.T) {
	for health, says := range map[string]bool{status.HealthHealthy: false, status.HealthDegraded: true} {
		var out bytes.Buffer
		a := &app{env: Env{Stdout: &out}, clk: clock.System, name: "prog"}
		v := statusView{Details: map[string]backendView{"nas": {Health: health}}, Count: 1}
		a.showStatus(v, false, false, "")
		if got := strings.Contains(out.String(), "prog health"); got != says {
			t.Errorf("%s: %q", health, out.String())
		}
	}
}

func TestAMarkWithoutATimeHasNoAge(t *testing.T) {
	v := statusView{}
	v.Stats.Dirty = 1
	a := &app{clk: clock.System}
	if got := strings.Join(a.counts(v), "\n"); !strings.Contains(got, "Dirty:    0.0 a minute come") || strings.Contains(got, "never") {
		t.Error(got)
	}
}
