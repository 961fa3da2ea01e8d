package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// Limits of Client; a test has shorter ones.
const (
	// answerLimit is how long an answer may take, as with other clients of the bus. A method never waits for a backend.
	answerLimit = 25 * time.Second
	// personLimit is how long an answer may take for which a person is asked.
	personLimit = 5 * time.Minute
	// quietLimit is how long no signal may come until a service that is waited for is asked whether it still answers.
	quietLimit = 30 * time.Second
)

// ErrSilent says that the service, or its bus, is there and does not answer.
var ErrSilent = errors.New("no answer")

// limits are how long a client waits for what should be at once.
type limits struct{ answer, person, quiet time.Duration }

// bounded is ctx for one call; what it ends with is ErrSilent.
func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w within %s from the service, which is on its bus (is it stopped, or its machine overloaded?)", ErrSilent, limit))
}

// endOf is why a context ended: by a limit that has a reason, or else.
func endOf(ctx context.Context) error {
	if why := context.Cause(ctx); errors.Is(why, ErrSilent) {
		return why
	}
	return ctx.Err()
}

// next is the service's next signal. It ends with the service (ErrNotRunning) and
// with one that stays silent (ErrSilent): after a long quiet it is asked.
func (c *Client) next(ctx context.Context, signals <-chan *godbus.Signal) (*godbus.Signal, error) {
	for {
		quiet, cancel := context.WithTimeout(ctx, c.limits.quiet)
		select {
		case s, ok := <-signals:
			cancel()
			if !ok || gone(s) {
				return nil, fmt.Errorf("%w any more", ErrNotRunning)
			}
			return s, nil
		case <-quiet.Done():
			cancel()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if _, err := c.properties(ctx, RootPath, manager); err != nil {
				return nil, err
			}
		}
	}
}
