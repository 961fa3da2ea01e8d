package service

import (
	"strconv"
	"strings"
)

// firstLine cuts a text for places that hold one line.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func itoa(n int) string { return strconv.Itoa(n) }

// atoi reads a number that is not negative.
func atoi(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, err
}
