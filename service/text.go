package service

import "strings"

// firstLine cuts a text for places that hold one line.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
