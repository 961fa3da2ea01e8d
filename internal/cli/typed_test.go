package cli

import "testing"

func TestNextStepsNameWhatWasTyped(t *testing.T) {
	for _, c := range []struct {
		name       string
		system     bool
		text, want string
	}{
		{"ipfs-kit daemon intelligent", false, "now: ipfs-kit-intelligent check nas", "now: ipfs-kit daemon intelligent check nas"},
		{"ipfs-kit daemon intelligent", false, "ipfs-kit-intelligent is not running", "ipfs-kit-intelligent is not running"},
		{"ipfs-kit-intelligent", true, "now: ipfs-kit-intelligent check nas", "now: ipfs-kit-intelligent --system check nas"},
		{"ipfs-kit-intelligent", true, "sudo ipfs-kit-intelligent --system stop", "sudo ipfs-kit-intelligent --system stop"},
		{"ipfs-kit-intelligent", true, "journalctl --user -u ipfs-kit-intelligent -n 30", "journalctl -u ipfs-kit-intelligent -n 30"},
	} {
		a := &app{name: c.name, system: c.system}
		a.named(Commands())
		if got := a.typed(c.text); got != c.want {
			t.Errorf("%s: %q", c.text, got)
		}
	}
}
