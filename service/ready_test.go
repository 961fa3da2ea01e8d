package service

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Who is told READY finds the service on its bus.
func TestReadyIsSaidOnceTheServiceIsOnItsBus(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := New(ctx, w.o)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said []string
	say := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, what)
	}
	ready := make(chan struct{})
	s.not.send = func(state string) error {
		if strings.HasPrefix(state, "READY=1") {
			say("ready")
			close(ready)
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		done <- s.Run(ctx, func(ctx context.Context) error {
			<-s.wentHome
			say("on the bus")
			s.BusState(true, nil)
			<-ctx.Done()
			return nil
		})
	}()
	<-ready
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !slices.Equal(said, []string{"on the bus", "ready"}) {
		t.Errorf("said %q", said)
	}
}
