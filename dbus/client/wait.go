package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/status"
)

// signalBuffer is how many signals wait in the channel itself; the connection keeps the others, in order.
const signalBuffer = 256

// subscribe gets the service's signals and the news of its end, until stop is called.
func (c *Client) subscribe(ctx context.Context) (signals chan *godbus.Signal, stop func(), err error) {
	rules := [][]godbus.MatchOption{
		{godbus.WithMatchSender(BusName), godbus.WithMatchPathNamespace(RootPath)},
		{godbus.WithMatchSender("org.freedesktop.DBus"), godbus.WithMatchInterface("org.freedesktop.DBus"),
			godbus.WithMatchMember("NameOwnerChanged"), godbus.WithMatchArg(0, BusName)},
	}
	signals = make(chan *godbus.Signal, signalBuffer)
	c.conn.Signal(signals)
	stop = func() {
		c.conn.RemoveSignal(signals)
		ctx, cancel := bounded(context.WithoutCancel(ctx), c.limits.answer)
		defer cancel()
		for _, r := range rules {
			c.conn.RemoveMatchSignalContext(ctx, r...) //nolint:errcheck // the connection may be gone
		}
	}
	for _, r := range rules {
		ask, cancel := bounded(ctx, c.limits.answer)
		err := c.conn.AddMatchSignalContext(ask, r...)
		if err != nil {
			err = fmt.Errorf("watch the service: %w", asError(ask, err))
		}
		cancel()
		if err != nil {
			stop()
			return nil, nil, err
		}
	}
	return signals, stop, nil
}

// gone says that the service left the bus.
func gone(s *godbus.Signal) bool {
	if s.Name != "org.freedesktop.DBus.NameOwnerChanged" || len(s.Body) != 3 || s.Body[0] != BusName {
		return false
	}
	return s.Body[2] == ""
}

// Ended says that there is nothing to wait for: the task is over, or it waits
// itself, for something that is not here or for its next try after a failure.
func Ended(t status.Task) bool {
	switch t.State {
	case status.TaskDone, status.TaskPartial, status.TaskFailed, status.TaskCancelled, status.TaskBlocked:
		return true
	}
	return t.State == status.TaskWaitingRetry && t.Error != ""
}

// WaitTasks returns when all tasks ended, with how they did, in the order of
// ids. Progress is called with each state that was seen, the last one included.
func (c *Client) WaitTasks(ctx context.Context, ids []uint64, progress func(status.Task)) ([]status.Task, error) {
	signals, stop, err := c.subscribe(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	out := make([]status.Task, len(ids))
	open := map[uint64]int{}
	look := func(id uint64, i int) error {
		t, err := c.Task(ctx, id)
		var se *status.Error
		if errors.As(err, &se) && se.Code == status.NoSuchTask && out[i].ID != 0 {
			delete(open, id) // forgotten: what was seen last is what is known
			return nil
		}
		if err != nil {
			return err
		}
		out[i] = t
		progress(t)
		if Ended(t) {
			delete(open, id)
		}
		return nil
	}
	for i, id := range ids {
		open[id] = i
		if err := look(id, i); err != nil {
			return nil, err
		}
	}
	for len(open) > 0 {
		s, err := c.next(ctx, signals)
		if errors.Is(err, ErrNotRunning) {
			return out, fmt.Errorf("%w: it ended with %s still open, to go on when it runs again", err, human.Count(len(open), "task", "tasks"))
		}
		if err != nil {
			return out, fmt.Errorf("wait for %s: %w", human.Count(len(open), "task", "tasks"), err)
		}
		id, isTask := TaskID(s.Path)
		if strings.HasSuffix(s.Name, ".TaskRemoved") && len(s.Body) > 0 {
			id, isTask = s.Body[0].(uint64)
		}
		if i, wanted := open[id]; isTask && wanted {
			if err := look(id, i); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// WaitFor returns when the manager is as good says, looking again whenever something changed.
func (c *Client) WaitFor(ctx context.Context, good func(status.Manager) bool) (status.Manager, error) {
	signals, stop, err := c.subscribe(ctx)
	if err != nil {
		return status.Manager{}, err
	}
	defer stop()
	for {
		m, err := c.Properties(ctx)
		if err != nil || good(m) {
			return m, err
		}
		for changed := false; !changed; {
			s, err := c.next(ctx, signals)
			if err != nil {
				return m, fmt.Errorf("wait for the service: %w", err)
			}
			changed = s.Path == RootPath
		}
	}
}

// WaitOwned returns when somebody owns the service's name, or with an error when the bus or ctx ends.
func (c *Client) WaitOwned(ctx context.Context) error {
	signals, stop, err := c.subscribe(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for {
		if _, err := c.Owner(ctx); !errors.Is(err, ErrNotRunning) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the service: %w", ctx.Err())
		case _, ok := <-signals:
			if !ok {
				return fmt.Errorf("%w: its bus ended", ErrNotRunning)
			}
		}
	}
}
