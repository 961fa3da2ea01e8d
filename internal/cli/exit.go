// Package cli is the command line: one tree of commands for both programs.
package cli

// Exit codes (contract section 4).
const (
	ExitDone       = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitNotRunning = 3
	ExitUnhealthy  = 4
	ExitPartly     = 5
	ExitTimeout    = 6
	ExitNotFound   = 7
	// ExitAgain is the service's own: its unit starts it again.
	ExitAgain  = 75
	ExitConfig = 78
)
