package doctor

import "strings"

// words splits a list as systemctl prints it: between spaces, words with
// special characters in double quotes, with backslashes before some.
func words(text string) []string {
	var out []string
	var sb strings.Builder
	open, quoted, escaped := false, false, false
	for _, r := range text {
		switch {
		case escaped:
			sb.WriteRune(r)
			escaped = false
		case r == '\\':
			open, escaped = true, true
		case r == '"':
			open, quoted = true, !quoted
		case r == ' ' && !quoted:
			if open {
				out = append(out, sb.String())
				sb.Reset()
			}
			open = false
		default:
			open = true
			sb.WriteRune(r)
		}
	}
	if open {
		out = append(out, sb.String())
	}
	return out
}
