package systemd

import "testing"

func TestWhatTheSystemsUnitHidesIsNamedByAnAdministrator(t *testing.T) {
	const edit, again = "as root: systemctl edit ipfs-kit-intelligent.service, with [Service] and ", "; then systemctl restart ipfs-kit-intelligent.service"
	for path, want := range map[string]string{
		"/srv/nas":      "ReadWritePaths=-/srv/nas",
		"/home/me/disk": "ProtectHome=tmpfs and BindPaths=-/home/me/disk",
		"/tmp/disk":     "BindPaths=-/tmp/disk",
		"/srv/my disk":  `ReadWritePaths="-/srv/my disk"`,
		"/srv/50%":      "ReadWritePaths=-/srv/50%%",
		"/home/a b":     `ProtectHome=tmpfs and BindPaths="-/home/a b"`,
	} {
		if got := LetWrite(path, true); got != edit+want+again {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := StartAgain(true); got != "as root: systemctl restart ipfs-kit-intelligent.service" {
		t.Error(got)
	}
	const user = "ipfs-kit-intelligent doctor --drop-in --install, then systemctl --user restart ipfs-kit-intelligent.service"
	if got := LetWrite("/home/me/disk", false); got != user {
		t.Error(got)
	}
}
