package types_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/redact"
)

// A configuration names a credential of the unit; its value is read for each task, so that a new one counts at once.
func TestASecretOfTheUnitIsGivenToTheNode(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(srv.Close)
	d := deps()
	d.Credentials = t.TempDir()
	for _, secret := range []string{"first-secret", "second-secret"} {
		if err := os.WriteFile(filepath.Join(d.Credentials, "kubo"), []byte(secret+"\n"), 0o400); err != nil {
			t.Fatal(err)
		}
		a, err := types.Open(t.Context(), spec("ipfs", "", map[string]string{"api_url": srv.URL, "token": "secretref:systemd:kubo"}), d)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Check(t.Context())
		if backend.ClassOf(err) != backend.ClassAuth || got != "Bearer "+secret {
			t.Errorf("the node was given %q: %v", got, err)
		}
		if text := redact.Text("it says " + secret); strings.Contains(text, secret) {
			t.Errorf("the secret is not known to be one: %s", text)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := os.Remove(filepath.Join(d.Credentials, "kubo")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASecretThatCantBeLookedUpIsSaidWithWhatToDo(t *testing.T) {
	for value, says := range map[string]string{
		"secretref:systemd:absent": "LoadCredential=absent:/path", "secretref:systemd:": "no name", "secretref:systemd:../state.db": "no name",
		"secretref:systemd:.hidden": "no name", "secretref:vault:kubo": "secretref:systemd:NAME",
	} {
		for _, key := range []string{"token", "password"} {
			for _, folder := range []string{"", t.TempDir()} {
				d := deps()
				d.Credentials = folder
				_, err := types.Open(t.Context(), spec("ipfs", "", map[string]string{"username": "me", key: value}), d)
				if backend.ClassOf(err) != backend.ClassConfiguration || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), key) {
					t.Errorf("%s: %s: %v", key, value, err)
				}
			}
		}
	}
}
