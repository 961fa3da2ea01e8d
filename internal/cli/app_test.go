package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestWhatEndedIsToldWithoutWordsOfTheProgramsOwn(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
		code int
	}{
		{fmt.Errorf("wait for the service: %w", context.Canceled), "interrupted: wait for the service", ExitFailed},
		{context.Canceled, "interrupted", ExitFailed},
		{fmt.Errorf("wait for the end of it: %w", context.DeadlineExceeded), "timed out: wait for the end of it", ExitTimeout},
		{fmt.Errorf("%w: first", context.Canceled), "interrupted: context canceled: first", ExitFailed},
	} {
		f, ok := (&app{}).classify(t.Context(), c.err).(*fault) //nolint:errorlint // it is made here
		if !ok || f.Error() != c.want || f.code != c.code {
			t.Errorf("%v is told as %v", c.err, f)
		}
		if timedOut := c.code == ExitTimeout; strings.Contains(f.next, "status; its log:") != timedOut || strings.Contains(f.next, "--timeout") {
			t.Errorf("%v: next is %s", c.err, f.next) // start and stop have no --timeout
		}
	}
}
