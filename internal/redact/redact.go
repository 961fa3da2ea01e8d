// Package redact keeps secrets out of texts that leave the program: known ones by
// their values, others by how they look.
package redact

import (
	"regexp"
	"strings"
	"sync"
)

// Mark stands where a secret was.
const Mark = "[secret]"

var (
	mu     sync.RWMutex
	values = map[string]bool{}
)

// minLength is how long a value must be to be looked for: shorter ones would cut ordinary words.
const minLength = 6

// Secret makes a value known, so that Text finds it anywhere.
func Secret(value string) {
	if len(value) < minLength {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	values[value] = true
}

// Key tells whether a key of a configuration names a secret, by upstream's rule.
func Key(key string) bool { return secretKey.MatchString(key) }

var (
	secretKey = regexp.MustCompile(`(?i)secret|token|ticket|password|passwd|passphrase|private.?key|node.?key|write.?capability|credential|authorization|api.?key|access.?key`)
	userInfo  = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s"']+@`)
	assigned  = regexp.MustCompile(`(?i)((?:secret|token|password|passwd|passphrase|api.?key|access.?key|credential)[a-z_]*["']?\s*[=:]\s*["']?)([^\s"',;&}]{3,})`)
	bearer    = regexp.MustCompile(`(?i)((?:bearer|basic)\s+)[a-z0-9._~+/=-]{6,}`)
	signature = regexp.MustCompile(`(?i)([?&](?:x-amz-[a-z-]*|sig|signature|token|key)=)[^&\s"']+`)
)

// Text replaces what is, or looks like, a secret.
func Text(s string) string {
	mu.RLock()
	for v := range values {
		if strings.Contains(s, v) {
			s = strings.ReplaceAll(s, v, Mark)
		}
	}
	mu.RUnlock()
	if !strings.ContainsAny(s, "=:@ ") {
		return s
	}
	s = userInfo.ReplaceAllString(s, "${1}"+Mark+"@")
	s = bearer.ReplaceAllString(s, "${1}"+Mark)
	s = signature.ReplaceAllString(s, "${1}"+Mark)
	return assigned.ReplaceAllString(s, "${1}"+Mark)
}

// Settings makes the values of the keys that name secrets known, at any depth.
func Settings(doc map[string]any) {
	for k, v := range doc {
		switch x := v.(type) {
		case string:
			if Key(k) && !strings.HasPrefix(x, "secretref:") {
				Secret(x)
			}
		case map[string]any:
			Settings(x)
		}
	}
}
