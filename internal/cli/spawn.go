package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ipfskit.org/intelligent/internal/config"
)

// tailBytes is how much of a log is shown when a start failed.
const tailBytes = 4 << 10

// logName is the log of a service in the background, among its state.
const logName = "log"

// spawn starts the service as a background process of its own session, and
// returns when it is on its bus; its words go to a log below its state.
func (a *app) spawn(ctx context.Context, verbose bool) error {
	if a.env.Serve == nil {
		return errServe
	}
	paths, err := config.FindPaths(a.env.Getenv, a.system)
	if err != nil {
		return err
	}
	if err := config.EnsureRuntime(paths.Runtime); err != nil {
		return err
	}
	if err := os.MkdirAll(paths.State, 0o700); err != nil {
		return &fault{code: ExitFailed, err: fmt.Errorf("make the folder of the service's state: %w", err), next: "let this user write there, then " + a.name + " start --detach"}
	}
	path := filepath.Join(paths.State, logName)
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return &fault{code: ExitFailed, err: fmt.Errorf("open the service's log: %w", err), next: a.name + " doctor"}
	}
	defer log.Close() //nolint:errcheck // the child has its own
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open the service's log: %w", err)
	}
	cmd := a.background(verbose)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	ended := make(chan error, 1)
	go func() { // it ends with the child, or with this process, whichever is first
		err := cmd.Wait()
		ended <- a.childEnded(err, log.Name(), from)
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := a.appear(ctx, ended)
	if err != nil && ctx.Err() != nil { // it goes on by itself
		code, why := ExitFailed, "interrupted"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			code, why = ExitTimeout, "timed out"
		}
		return &fault{code: code, err: fmt.Errorf("%s: the service (process %d) was started, and is on no bus yet", why, cmd.Process.Pid),
			next: fmt.Sprintf("see its log, %s; or end it: kill %d", path, cmd.Process.Pid)}
	}
	if err != nil {
		return err
	}
	return c.Close()
}

// background is this program again, as the service.
func (a *app) background(verbose bool) *exec.Cmd {
	args := append(strings.Fields(a.name)[1:], "run") // with --system, where that was said
	if a.needsBus() {
		args = append(args, "--private-bus")
	}
	if a.bus != "" {
		args = append(args, "--bus", a.bus)
	}
	if verbose {
		args = append(args, "--verbose")
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = strings.Fields(a.name)[0]
	cmd.Env = a.env.Environ
	cmd.Dir = "/"
	if p, err := config.FindPaths(a.env.Getenv, a.system); err == nil && a.env.Getenv("IPFS_KIT_HOME") != "" { // it may be relative
		cmd.Env = append(slices.Clone(cmd.Env), "IPFS_KIT_HOME="+p.Home)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// childEnded says why the service ended while it was started.
func (a *app) childEnded(err error, path string, from int64) error {
	code := ExitFailed
	var ee *exec.ExitError
	if errors.As(err, &ee) && ee.ExitCode() == ExitConfig {
		code = ExitConfig
	}
	how := "by itself"
	if err != nil {
		how = err.Error()
	}
	return &fault{code: code, err: fmt.Errorf("the service ended at its start (%s):\n%s", how, tail(path, from)), next: "mend that; its whole log is " + path}
}

// tail is the end of what was written to a file from an offset on, in whole lines where there are several.
func tail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close() //nolint:errcheck // only read
	cut := int64(0)
	if fi, err := f.Stat(); err == nil {
		cut = max(0, fi.Size()-tailBytes-from)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from+cut, tailBytes))
	if err != nil {
		return err.Error()
	}
	text := strings.TrimSpace(string(b))
	if _, rest, several := strings.Cut(text, "\n"); several && cut > 0 {
		return rest
	}
	return text
}
