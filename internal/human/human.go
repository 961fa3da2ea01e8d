// Package human writes figures for people. It imports nothing of the project.
package human

import "fmt"

// integer is what figures are.
type integer interface {
	~int | ~int64 | ~uint32 | ~uint64
}

// Bytes writes a size that is given in bytes, such as 1.0 MiB.
func Bytes[N integer](n N) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// Count writes a number of things: 1 with the one word, any other with the many.
func Count[N integer](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
