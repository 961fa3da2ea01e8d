package ipfs_test

import (
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/ipfs"
)

// Whatever the address: an adapter, or a matter of configuration.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"", "localhost:5001", "http://u:p@h:1/api/v0", "/ip4/127.0.0.1/tcp/5001", "/dns/x/tcp/1/tls/http", "https://[::1]:5001", "//", "http://%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, api string) {
		a, err := ipfs.Open(t.Context(), ipfs.Config{Name: "n", API: api}, deps())
		if err != nil {
			if backend.ClassOf(err) != backend.ClassConfiguration {
				t.Errorf("%q: %v", api, err)
			}
			return
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Whatever a node answers: an answer or an error, and never the word that content is stored.
func FuzzAnswers(f *testing.F) {
	c, _ := cartest.Random(f, 1, 2)
	f.Add(200, `{"Keys":{"`+c.String()+`":{"Type":"recursive","Name":"x"}}}`)
	f.Add(200, `{"Cid":"`+c.String()+`","Name":"ipfs-kit:node1","Type":"recursive"}`)
	f.Add(500, `{"Message":"is not pinned","Type":"error"}`)
	f.Add(302, "")
	f.Fuzz(func(t *testing.T, code int, body string) {
		if code < 200 || code > 599 {
			t.Skip()
		}
		h := say(code, body)
		a := serve(t, h)
		data := []byte(body)
		if _, err := a.Put(t.Context(), c, source(data), nil); err == nil {
			t.Error("put: no error")
		}
		if _, err := a.Verify(t.Context(), c); err == nil && !strings.Contains(body, c.String()) {
			t.Error("verify: no error")
		}
		if _, err := a.DeepVerify(t.Context(), c); err == nil {
			t.Error("deep verify: no error")
		}
		_, _ = a.Check(t.Context())
		_ = a.List(t.Context(), func(i backend.Item) error {
			if !strings.Contains(body, "ipfs-kit:node1") {
				t.Errorf("listed %+v", i)
			}
			return nil
		})
	})
}
