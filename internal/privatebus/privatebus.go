// Package privatebus runs a dbus-daemon of this program's own, for machines
// and sessions that have no bus: the service owns it, and every client finds it
// by its socket in the runtime folder.
package privatebus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"ipfskit.org/intelligent/internal/clock"
)

// startLimit is how long the daemon may take to listen, on a machine that does much else.
const startLimit = 30 * time.Second

// socket is the bus's name in the runtime folder.
const socket = "bus"

// ErrNone says that no private bus answers in the runtime folder.
var ErrNone = errors.New("no private bus runs")

// Bus is a running private bus.
type Bus struct {
	// Address is what D-Bus libraries connect to.
	Address string
	cmd     *exec.Cmd
	exited  chan struct{}
	stderr  *bytes.Buffer
}

// Address is where the private bus of a runtime folder is, if one runs.
func Address(dir string) string {
	return "unix:path=" + escape(filepath.Join(dir, socket))
}

// Find gives the address of the private bus in dir, or ErrNone when none answers.
func Find(dir string) (string, error) {
	c, err := net.Dial("unix", filepath.Join(dir, socket))
	if err != nil {
		return "", fmt.Errorf("%w in %s", ErrNone, dir)
	}
	return Address(dir), c.Close()
}

const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
`

// endLimit is how long the bus of a service that was killed just now may take to end.
const endLimit = time.Second

// lives tells whether a bus answers in dir, and goes on to: one whose service was killed is about to end.
func lives(dir string, clk clock.Clock) bool {
	c, err := net.Dial("unix", filepath.Join(dir, socket))
	if err != nil {
		return false
	}
	defer c.Close()                               //nolint:errcheck // it was only asked
	c.SetReadDeadline(clk.Now().Add(endLimit))    //nolint:errcheck // without one the bus ends the wait
	_, err = c.Read(make([]byte, 1))              // a bus says nothing to who says nothing
	return errors.Is(err, os.ErrDeadlineExceeded) // else it hung up
}

// Start runs a dbus-daemon that listens in dir, and returns when it answers. A
// socket that a killed bus left behind is replaced; a bus that still answers is
// an error. The bus ends with this process, however that ends.
func Start(ctx context.Context, dir string, clk clock.Clock) (*Bus, error) {
	if lives(dir, clk) {
		return nil, fmt.Errorf("start a private bus: one answers in %s already, so a service runs; see: ipfs-kit-intelligent status", dir)
	}
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		return nil, fmt.Errorf("start a private bus: %w; install the package dbus (or dbus-daemon), or run in a session that has a bus", err)
	}
	path := filepath.Join(dir, socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("start a private bus: %w", err)
	}
	conf := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, config, xmlEscape(Address(dir))), 0o600); err != nil {
		return nil, fmt.Errorf("start a private bus: %w", err)
	}
	return launch(ctx, daemon, conf, dir, clk)
}

// launch starts the daemon and waits until it says its address.
func launch(ctx context.Context, daemon, conf, dir string, clk clock.Clock) (*Bus, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a private bus: %w", err)
	}
	b := &Bus{Address: Address(dir), exited: make(chan struct{}), stderr: &bytes.Buffer{}}
	b.cmd = exec.Command(daemon, "--config-file="+conf, "--nofork", "--nopidfile", "--print-address=3")
	b.cmd.ExtraFiles = []*os.File{w}
	b.cmd.Stderr = b.stderr
	// A Ctrl-C at the terminal is for the service, which ends the bus last. Where the
	// service is killed, the kernel ends the bus, or it would be in the way of the next start.
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = b.run()
	w.Close() //nolint:errcheck // the child has it now
	if err != nil {
		r.Close() //nolint:errcheck // nothing was read
		return nil, fmt.Errorf("start %s: %w", daemon, err)
	}
	if err := b.listening(ctx, r, clk); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// run starts the daemon, and waits for its end on the thread that started it:
// Pdeathsig counts from that thread's end, not from the process's.
func (b *Bus) run() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(b.exited)
		err := b.cmd.Start()
		started <- err
		if err == nil {
			b.cmd.Wait() //nolint:errcheck // how it ended tells nothing: Close kills it
		}
	}()
	return <-started
}

// listening returns when the daemon printed its address.
func (b *Bus) listening(ctx context.Context, r *os.File, clk clock.Clock) error {
	said := make(chan bool, 1)
	go func() {
		n, _ := r.Read(make([]byte, 512)) //nolint:errcheck // an end without a word is the error
		said <- n > 0
	}()
	t := clk.NewTimer(startLimit)
	defer t.Stop()
	var err error
	select {
	case ok := <-said:
		r.Close() //nolint:errcheck // only read
		if !ok {
			<-b.exited
			return fmt.Errorf("the private bus ended at once: %s", strings.TrimSpace(b.stderr.String()))
		}
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-t.C:
		err = fmt.Errorf("it did not listen within %s", startLimit)
	}
	r.Close() //nolint:errcheck // ends the reader
	<-said
	return fmt.Errorf("start a private bus: %w", err)
}

// Close ends the bus.
func (b *Bus) Close() error {
	select {
	case <-b.exited:
		return nil
	default:
	}
	if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the private bus: %w", err)
	}
	<-b.exited
	return nil
}

// escape writes a path as a value of a D-Bus address.
func escape(path string) string {
	var sb strings.Builder
	for _, c := range []byte(path) {
		if c == '-' || c == '_' || c == '/' || c == '.' || c == '\\' || c == '*' ||
			c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			sb.WriteByte(c)
		} else {
			fmt.Fprintf(&sb, "%%%02x", c)
		}
	}
	return sb.String()
}

func xmlEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
