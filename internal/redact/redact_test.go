package redact

import (
	"strings"
	"testing"
)

func TestSecretsAreCutOutAndTheRestStays(t *testing.T) {
	Settings(map[string]any{"config": map[string]any{"secret_key": "planted-value-1", "bucket": "photos"}})
	for _, in := range []string{
		"put failed: key planted-value-1 was refused",
		"GET https://user:hunter2@host/path: refused",
		"Authorization: Bearer abcdefghijkl",
		`password="hunter2"`,
		"https://s3/x?X-Amz-Signature=hunter2&y=1",
	} {
		out := Text(in)
		if strings.Contains(out, "hunter2") || strings.Contains(out, "planted-value-1") || strings.Contains(out, "abcdefghijkl") || !strings.Contains(out, Mark) {
			t.Errorf("%q became %q", in, out)
		}
	}
	for _, in := range []string{"sync of nas: 3 pins stored", "photos", "state: running", "2026-01-01T10:00:00Z", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi: no source"} {
		if out := Text(in); out != in {
			t.Errorf("%q became %q", in, out)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("token=abc https://a:b@c")
	f.Fuzz(func(_ *testing.T, s string) { Text(s) })
}
