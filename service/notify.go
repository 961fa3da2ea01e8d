package service

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"ipfskit.org/intelligent/internal/clock"
)

// notifier speaks sd_notify. Without a service manager all of it does nothing.
type notifier struct {
	clk  clock.Clock
	send func(state string) error

	mu   sync.Mutex
	last string
}

func newNotifier(clk clock.Clock) *notifier {
	return &notifier{clk: clk, send: func(s string) error {
		_, err := daemon.SdNotify(false, s)
		return err
	}}
}

// ready says that the service is usable, with one line for people.
func (n *notifier) ready(text string) error { return n.send(daemon.SdNotifyReady + "\nSTATUS=" + text) }

// stopping says that the end has begun.
func (n *notifier) stopping() error { return n.send(daemon.SdNotifyStopping + "\nSTATUS=stopping") }

// status shows one line in systemctl status; the same line twice is sent once.
func (n *notifier) status(text string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last == text {
		return nil
	}
	n.last = text
	return n.send("STATUS=" + text)
}

// extend asks systemd for more time, while a big home is read.
func (n *notifier) extend(d time.Duration) error {
	return n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// feed pings the watchdog at half its interval as long as healthy says yes, until ctx ends.
// It returns at once where there is no watchdog.
func (n *notifier) feed(ctx context.Context, healthy func() (bool, string), hungry func(why string)) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return err
	}
	t := n.clk.NewTimer(interval / 2)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		t.Reset(interval / 2)
		if ok, why := healthy(); !ok {
			hungry(why)
			continue
		}
		if err := n.send(daemon.SdNotifyWatchdog); err != nil {
			return fmt.Errorf("feed the watchdog: %w", err)
		}
	}
}
