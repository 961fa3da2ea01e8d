// Package redact keeps secrets out of texts that leave the program: known ones by
// their values, others by how they look.
package redact

import (
	"fmt"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Mark stands where a secret was.
const Mark = "[secret]"

// minLength is how long a value must be to be looked for: shorter ones would cut ordinary words.
const minLength = 6

// reference begins a value that names a secret, and is none.
const reference = "secretref:"

// known are the values by their first minLength bytes, so that a text costs the
// same with one secret and with those of 10,000 backends; the longest come first.
var (
	mu    sync.RWMutex
	known = map[string][]string{}
)

// Secret makes a value known, so that Text finds it anywhere, also as it stands
// in an address or between quotes.
func Secret(value string) {
	if len(value) < minLength {
		return
	}
	quoted := strconv.Quote(value)
	mu.Lock()
	defer mu.Unlock()
	for _, v := range []string{value, url.QueryEscape(value), url.PathEscape(value), quoted[1 : len(quoted)-1]} {
		head := v[:minLength]
		if slices.Contains(known[head], v) {
			continue
		}
		at, _ := slices.BinarySearchFunc(known[head], v, func(a, b string) int { return len(b) - len(a) })
		known[head] = slices.Insert(known[head], at, v)
	}
}

// Holds tells whether a setting is a secret itself: its key names one, and its value neither is
// empty nor only says where the secret lies.
func Holds(key string, value any) bool {
	s, isText := value.(string)
	return isText && s != "" && !strings.HasPrefix(s, reference) && Key(key) && !notSecret.MatchString(key)
}

// Key tells whether a key of a configuration names a secret, by upstream's rule.
func Key(key string) bool { return secretKey.MatchString(key) }

const names = `secret|token|ticket|password|passwd|passphrase|private.?key|node.?key|write.?capability|credential|api.?key|access.?key`

var (
	secretKey = regexp.MustCompile(`(?i)authorization|` + names)
	userInfo  = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)([^/\s"']+@|[^/\s"'@:]+:[^\s"'@]*@)`)
	port      = regexp.MustCompile(`://[^/\s"'@:]+:[0-9]{1,5}[/?#]`)
	assigned  = regexp.MustCompile(`(?i)((?:` + names + `)[a-z0-9_-]*\\?["']?\s*[=:]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|\\"[^"]*"|[^\s"',;&}]{3,})`)
	header    = regexp.MustCompile(`(?i)((?:authorization|cookie)["']?\s*[=:]\s*["']?)[^"'\r\n]+`)
	bearer    = regexp.MustCompile(`(?i)((?:bearer|basic)\s+)[a-z0-9._~+/=-]{6,}`)
	signature = regexp.MustCompile(`(?i)([?&](?:x-amz-[a-z-]*|sig|signature|token|key)=)[^&\s"']+`)
)

// Text replaces what is, or looks like, a secret.
func Text(s string) string {
	s = values(s)
	if !strings.ContainsAny(s, "=:@ ") {
		return s
	}
	return looks(s, hintsOf(s))
}

// hints are the patterns that a text may match: most texts match none, and patterns cost much.
type hints struct{ userInfo, header, bearer, signature, assigned bool }

// each stands for all patterns.
var each = hints{true, true, true, true, true}

// hintsOf looks for words that patterns need.
func hintsOf(s string) hints {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return each // letters that fold to those of words
		}
	}
	lower := strings.ToLower(s)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	assigns := strings.ContainsAny(s, "=:")
	return hints{
		userInfo:  strings.Contains(s, "://") && strings.Contains(s, "@"),
		header:    assigns && has("authorization", "cookie"),
		bearer:    has("bearer", "basic"),
		signature: strings.Contains(s, "=") && strings.ContainsAny(s, "?&"),
		assigned:  assigns && has("secret", "token", "ticket", "passw", "passphrase", "key", "capability", "credential"),
	}
}

// looks replaces what looks like a secret.
func looks(s string, h hints) string {
	if h.userInfo {
		s = userInfo.ReplaceAllStringFunc(s, func(m string) string {
			if port.MatchString(m) { // host:port/…@…: no credentials
				return m
			}
			return m[:strings.Index(m, "://")+3] + Mark + "@"
		})
	}
	if h.header {
		s = header.ReplaceAllString(s, "${1}"+Mark)
	}
	if h.bearer {
		s = bearer.ReplaceAllString(s, "${1}"+Mark)
	}
	if h.signature {
		s = signature.ReplaceAllString(s, "${1}"+Mark)
	}
	if h.assigned {
		s = assignments(s)
	}
	return s
}

// assignments replaces what is assigned to a name of a secret, save LoadCredential=NAME:FILE of a unit and secretref:…: they only say where one lies.
func assignments(s string) string {
	var sb strings.Builder
	copied, from := 0, 0
	for {
		m := assigned.FindStringSubmatchIndex(s[from:])
		if m == nil {
			return sb.String() + s[copied:]
		}
		begin, name, value, end := from+m[0], from+m[3], from+m[4], from+m[1]
		switch {
		case strings.HasSuffix(s[:begin], "Load"):
			from = end
		case strings.HasPrefix(s[begin:], reference): // what follows in the same word may be one
			from = value
		case strings.HasPrefix(s[value:], reference):
			from = value + len(reference)
		default:
			sb.WriteString(s[copied:name] + Mark)
			copied, from = end, end
		}
	}
}

// values replaces the secrets that are known; those that overlap go together.
func values(s string) string {
	mu.RLock()
	defer mu.RUnlock()
	if len(known) == 0 {
		return s
	}
	var sb strings.Builder
	copied, end := 0, 0 // what is written, and the end of the secret that i is in
	for i := 0; i+minLength <= len(s); i++ {
		for _, v := range known[s[i:i+minLength]] {
			if !strings.HasPrefix(s[i:], v) {
				continue
			}
			if i >= end {
				sb.WriteString(s[copied:i] + Mark)
			}
			end = max(end, i+len(v))
			copied = end
			break
		}
	}
	return sb.String() + s[copied:]
}

// notSecret are keys that only say where a secret lies; errors must be able to name it.
var notSecret = regexp.MustCompile(`(?i)[_-]?(file|path)$`)

// Settings makes the values of the keys that name secrets known, at any depth.
func Settings(all iter.Seq2[string, any]) {
	for k, v := range all {
		settings(v, under(k, ""))
	}
}

// under is the key that names a secret for what stands below k, itself below key.
func under(k, key string) string {
	switch {
	case notSecret.MatchString(k):
		return ""
	case Key(k):
		return k
	}
	return key
}

// settings walks a document; key is the nearest one above that names a secret.
func settings(v any, key string) {
	switch x := v.(type) {
	case map[string]any:
		for k, v := range x {
			settings(v, under(k, key))
		}
	case map[any]any:
		for k, v := range x {
			settings(v, under(fmt.Sprint(k), key))
		}
	case []any:
		for _, v := range x {
			settings(v, key)
		}
	case string:
		if key != "" && !strings.HasPrefix(x, reference) {
			Secret(x)
		}
		inAddress(x)
	case int, int64, uint64: // a password of digits; other numbers are limits and times
		if strings.Contains(strings.ToLower(key), "pass") {
			Secret(fmt.Sprint(x))
		}
	}
}

// inAddress makes the password in an address known.
func inAddress(s string) {
	if !strings.Contains(s, "@") {
		return
	}
	if u, err := url.Parse(s); err == nil && u.User != nil {
		password, _ := u.User.Password()
		Secret(password)
	}
}

// Document gives a JSON or YAML document with Mark in the place of its secrets: of
// each value under a key that names one, and within the texts of the others. What
// only refers to a secret stays.
func Document(v any) any { return document(v, false) }

func document(v any, hide bool) any {
	under := func(k string) bool { return !notSecret.MatchString(k) && (hide || Key(k)) }
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[k] = document(v, under(k))
		}
		return out
	case map[any]any:
		out := make(map[string]any, len(x))
		for k, v := range x {
			out[fmt.Sprint(k)] = document(v, under(fmt.Sprint(k)))
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, v := range x {
			out[i] = document(v, hide)
		}
		return out
	case string:
		switch {
		case x == "", strings.HasPrefix(x, reference):
			return x
		case hide:
			return Mark
		}
		return Text(x)
	case nil, bool:
		return x
	}
	if hide {
		return Mark
	}
	return v
}
