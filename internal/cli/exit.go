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

// ExitCodes are all of them with what they mean, for the documents.
var ExitCodes = []struct {
	Code int
	Text string
}{
	{ExitDone, "done"},
	{ExitFailed, "failed"},
	{ExitUsage, "wrong usage"},
	{ExitNotRunning, "the service does not run"},
	{ExitUnhealthy, "something is unhealthy or wrong"},
	{ExitPartly, "partly done: some of what was asked for failed"},
	{ExitTimeout, "timed out"},
	{ExitNotFound, "no such backend, task or worker"},
	{ExitAgain, "the service's own: its unit starts it again"},
	{ExitConfig, "the configuration is wrong"},
}
