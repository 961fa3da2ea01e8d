// Package cli is the command line: one tree of commands for both programs.
package cli

// Exit codes (contract section 4).
const (
	ExitDone       = 0 // done, or asked for
	ExitFailed     = 1 // failed, or refused
	ExitUsage      = 2 // wrong words or flags
	ExitNotRunning = 3 // the service does not run
	ExitUnhealthy  = 4 // health or doctor found something
	ExitPartly     = 5 // some of it was done
	ExitTimeout    = 6 // --timeout is over, or nobody answers
	ExitNotFound   = 7 // no such backend, task or worker
	// ExitAgain is the service's own: its unit starts it again.
	ExitAgain  = 75
	ExitConfig = 78 // the service's configuration is wrong
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
