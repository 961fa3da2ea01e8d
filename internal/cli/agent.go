package cli

import (
	"context"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/term"
)

// onSystem says that it is about the system's service.
func (a *app) onSystem() bool { return a.system || a.bus == "system" }

// attended says that a person is at the terminal who could be asked.
func (a *app) attended() bool {
	f, ok := a.env.Stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// agent has polkit's agent for terminals ask for a password on behalf of this
// process, as systemctl does; where the session has an agent, that one asks. It
// returns when the agent is ready. Without the program nobody is there to ask,
// which the service then says.
func (a *app) agent(ctx context.Context) (end func()) {
	nothing := func() {}
	r, w, err := os.Pipe()
	if err != nil {
		return nothing
	}
	defer r.Close()                                                              //nolint:errcheck // only read
	cmd := exec.CommandContext(ctx, "pkttyagent", "--notify-fd=3", "--fallback") // for its parent
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = a.env.Environ, []*os.File{w}, a.env.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it gives the terminal back
	err = cmd.Start()
	w.Close() //nolint:errcheck // the agent has it now
	if err != nil {
		return nothing
	}
	r.Read(make([]byte, 1)) //nolint:errcheck // the agent closes its end when it is ready, and when it ends
	return func() {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		cmd.Wait()                          //nolint:errcheck // how it ended says nothing
	}
}
