package redact

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestSecretsAreCutOutAndTheRestStays(t *testing.T) {
	Settings(maps.All(map[string]any{"config": map[string]any{"secret_key": "planted-value-1", "bucket": "photos"}}))
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
	for _, in := range []string{"with [Service] and LoadCredential=kubo-token:/etc/kubo-token; then restart",
		"write token: secretref:systemd:kubo-token, or secretref:systemd:NAME", "sync of nas: 3 pins stored", "photos", "state: running", "2026-01-01T10:00:00Z", "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi: no source"} {
		if out := Text(in); out != in {
			t.Errorf("%q became %q", in, out)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("token=abc https://a:b@c")
	f.Fuzz(func(_ *testing.T, s string) { Text(s) })
}

func TestSecretsInAllTheirShapesAreCutOut(t *testing.T) {
	for _, in := range []string{
		`password="my hunter2 phrase"`, `password=\"my hunter2 phrase\"`, `{"secret_key": "hunter2"}`, "private_key: hunter2",
		"ticket=hunter2", "node_key=hunter2", "write_capability: hunter2", "X-Api-Key: hunter2", "Set-Cookie: sid=hunter2",
		"https://u:pa@hunter2@h/x", "https://u:pa/hunter2@h/x", "Authorization: Token hunter2",
		"Authorization: AWS4-HMAC-SHA256 Credential=AK/2026, Signature=hunter2",
	} {
		if out := Text(in); strings.Contains(out, "hunter2") {
			t.Errorf("%q became %q", in, out)
		}
	}
	if in := "http://127.0.0.1:5001/api/v0/cat?arg=a@b"; Text(in) != in {
		t.Errorf("%q became %q", in, Text(in))
	}
}

func TestKnownSecretsThatOverlapGoWhole(t *testing.T) {
	Secret("overlap-one")
	Secret("overlap-one-and-more")
	Secret("and-more-still")
	if out := Text("<overlap-one-and-more-still>"); out != "<"+Mark+">" {
		t.Error(out)
	}
}

func TestSecretsAreFoundWhereverAConfigurationHasThem(t *testing.T) {
	Settings(maps.All(map[string]any{
		"password": 12345678, "token_lifetime": 7654321, "credentials_file": "/etc/credentials.json",
		"list": []any{map[string]any{"token": "in-a-list"}}, "secrets": []any{"listed-1"}, "any": map[any]any{"token": "any-map"},
		"credentials": map[string]any{"value": "nested-1"}, "secret_key": "p+q/r s&\"z",
	}))
	for _, v := range []string{"12345678", "in-a-list", "listed-1", "any-map", "nested-1", `p+q/r s&"z`, "p%2Bq%2Fr+s%26%22z", `p+q/r s&\"z`} {
		if out := Text("refused " + v); out != "refused "+Mark {
			t.Errorf("%q became %q", v, out)
		}
	}
	for _, v := range []string{"7654321", "/etc/credentials.json"} {
		if out := Text("read " + v); out != "read "+v {
			t.Errorf("%q became %q", v, out)
		}
	}
}

func TestADocumentIsShownWithoutItsSecrets(t *testing.T) {
	out := fmt.Sprint(Document(map[string]any{
		"password": 12345678, "token": "hunter2", "config": map[string]any{"credentials": []any{"hunter2"}, "any": map[any]any{"api_key": "hunter2"}},
		"api_url": "https://me:hunter2@example.org/x", "headers": map[string]any{"Authorization": "Bearer hunter2"},
		"name": "nas", "credentials_file": "/etc/key", "ref": map[string]any{"secret": "secretref:store:id"}, "pins": 7, "password_set": true, "no_token": nil,
	}))
	if strings.Contains(out, "hunter2") || strings.Contains(out, "12345678") {
		t.Error(out)
	}
	for _, want := range []string{"name:nas", "credentials_file:/etc/key", "secret:secretref:store:id", "pins:7", "password_set:true", "no_token:<nil>", "example.org/x"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is gone: %s", want, out)
		}
	}
}

func TestThePasswordOfAnAddressIsKnown(t *testing.T) {
	Settings(maps.All(map[string]any{"api_url": "https://someone:in-the-address@example.org"}))
	if out := Text("the proxy got in-the-address"); out != "the proxy got "+Mark {
		t.Error(out)
	}
}

func BenchmarkTextWithTenThousandSecrets(b *testing.B) {
	for i := range 10_000 {
		Secret(fmt.Sprintf("%06d-secret", i))
	}
	for b.Loop() {
		Text("sync of nas: 3 pins stored in 12 ms, the last one bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi")
	}
}

// What a text may match is told by words that it needs: nothing may be missed for that.
func FuzzWordsMissNothing(f *testing.F) {
	for _, s := range []string{"token=abcdef", "a PASSWORD: 'x y'", "https://u:pw@h/", "Authorization: Bearer abcdefgh", "?X-Amz-Signature=1234&sig=9", "Basic abcdef",
		"node_key = abc", "write-capability:abc", "apikey=123", "private key: abcd", "cookie=a; b", "paſſword=abc", "ToKen=abc", "passwd=xyz", "passphrase=xyz", "ticket:xyz", "credential=xyz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := looks(s, hintsOf(s)), looks(s, each); got != want {
			t.Errorf("%q is %q, and should be %q", s, got, want)
		}
	})
}

// A reference is shown, and what stands behind it in the same word is not.
func TestWhatFollowsAReferenceIsHidden(t *testing.T) {
	for text, want := range map[string]string{
		"token: secretref:systemd:kubo-token":          "token: secretref:systemd:kubo-token",
		"secretref:a:password=hunter22":                "secretref:a:password=" + Mark,
		"token=secretref:a:password=hunter22 then":     "token=secretref:a:password=" + Mark + " then",
		"LoadCredential=kubo-token:/etc/kubo, key=abc": "LoadCredential=kubo-token:/etc/kubo, key=abc",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
