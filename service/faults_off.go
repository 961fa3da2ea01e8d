//go:build !faults

package service

// injected gives no faults: only a build with the tag faults has them.
func injected() func(worker string) error { return nil }
