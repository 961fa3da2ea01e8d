package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/privatebus"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deaf owns the service's name, and answers nothing after so many calls.
func deaf(t *testing.T, answers int) *Client {
	t.Helper()
	testenv.DBusDaemon(t)
	bus, err := privatebus.Start(t.Context(), t.TempDir(), clock.System)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	conn, err := godbus.Connect(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.RequestName(BusName, godbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	calls := make(chan *godbus.Message, 64)
	conn.Eavesdrop(calls)
	go func() { // ends with the connection
		for m := range calls {
			if m.Type != godbus.TypeMethodCall || answers == 0 {
				continue
			}
			answers--
			conn.Send(&godbus.Message{Type: godbus.TypeMethodReply, Headers: map[godbus.HeaderField]godbus.Variant{
				godbus.FieldDestination: m.Headers[godbus.FieldSender],
				godbus.FieldReplySerial: godbus.MakeVariant(m.Serial()),
				godbus.FieldSignature:   godbus.MakeVariant(godbus.ParseSignatureMust("a{sv}")),
			}, Body: []any{map[string]godbus.Variant{"State": godbus.MakeVariant("starting")}}}, nil)
		}
	}()
	c, err := Dial(t.Context(), bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.limits = limits{answer: 50 * time.Millisecond, person: 100 * time.Millisecond, quiet: 50 * time.Millisecond}
	return c
}

func TestACallOfAServiceThatDoesNotAnswerEnds(t *testing.T) {
	c := deaf(t, 0)
	for name, call := range map[string]func(context.Context) error{
		"status": func(ctx context.Context) error { _, err := c.Properties(ctx); return err },
		"sync":   func(ctx context.Context) error { _, err := c.Sync(ctx, nil, false); return err },
		"history": func(ctx context.Context) error {
			_, err := c.History(ctx, status.HistoryQuery{})
			return err
		},
		"wait": func(ctx context.Context) error {
			_, err := c.WaitFor(ctx, func(status.Manager) bool { return true })
			return err
		},
	} {
		err := call(t.Context())
		if !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "no answer within 50ms") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A wait has no limit of its own while the service lives, and ends when it falls silent.
func TestAWaitForAServiceThatFallsSilentEnds(t *testing.T) {
	c := deaf(t, 3)
	if _, err := c.WaitFor(t.Context(), func(m status.Manager) bool { return m.State == "running" }); !errors.Is(err, ErrSilent) {
		t.Error(err)
	}
	c = deaf(t, 2)
	if err := c.Events(t.Context(), func() error { return nil }, func(Event) error { return nil }); !errors.Is(err, ErrSilent) {
		t.Error(err)
	}
}

func TestALimitOfTheCallerIsNotTakenForSilence(t *testing.T) {
	c := deaf(t, 0)
	c.limits.answer = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Properties(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrSilent) {
		t.Error(err)
	}
}
