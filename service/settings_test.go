package service

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"ipfskit.org/intelligent/internal/status"
)

// Who changes credentials wants to know whether they work: not when the next check is due, which may be hours later.
func TestChangedCredentialsAreTriedAtOnce(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ID":"12D3KooWtest","Version":"0.43.0","RepoSize":1,"StorageMax":0}`)
	}))
	t.Cleanup(node.Close)

	w := newWorld(t)
	configure := func(token string) {
		w.put("backends/node.yaml", fmt.Sprintf("name: node\ntype: ipfs\napi_url: %s\n%s", node.URL, token))
	}
	health := func(state string) {
		t.Helper()
		w.until("node is "+state, func() bool {
			b, ok := w.s.Backend("node")
			return ok && b.Health == state
		})
	}
	configure("token: right\n")
	w.start()
	health(status.HealthHealthy)
	configure("token: wrong\n")
	health(status.HealthUnhealthy)
	configure("token: right\n")
	health(status.HealthHealthy)
	configure("")
	health(status.HealthUnhealthy)
}
