package dbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/status"
)

// ServerOptions are what a Server needs.
type ServerOptions struct {
	// Address of the bus: "session", "system", or a D-Bus address.
	Address string
	// Engine is the service that answers.
	Engine Engine
	// Clock of the batches of signals.
	Clock clock.Clock
	// MaxBackends is how many backends ObjectManager and introspection list; calls and properties serve all.
	MaxBackends int
	// OnState, if set, is told when the bus is there and when it is lost.
	OnState func(connected bool, err error)
	// Polkit is for a bus of all users: everybody may read, and polkit decides who may change.
	// Without it only root and the service's own user may call at all.
	Polkit bool
}

// NameTakenError says that another process has the service's name on the bus.
type NameTakenError struct {
	// Owner says who has it: its process, else its name on the bus, else "somebody".
	Owner string
}

// Error names the owner, and says what to do.
func (e *NameTakenError) Error() string {
	return fmt.Sprintf("the name %s is taken on this bus by %s: another ipfs-kit-intelligent runs there; stop it first", BusName, e.Owner)
}

// Server answers on the bus for an engine.
type Server struct {
	o  ServerOptions
	wg sync.WaitGroup
	// callCtx is the context of calls: it ends with the connection.
	mu      sync.Mutex
	callCtx context.Context
	conn    *godbus.Conn
	// uids are the users of callers by unique name, on this connection.
	uids map[string]uint32
	// questions are how many polkit has not answered, by the user that they are about.
	questions map[uint32]int
	pub       publisher
	callers   callers
	// histories counts those that are being written.
	histories atomic.Int32
}

// NewServer makes a server; Run connects it.
func NewServer(o ServerOptions) *Server {
	s := &Server{o: o, callCtx: context.Background(), questions: map[uint32]int{}}
	s.pub.init(s)
	return s
}

func (s *Server) callContext() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.callCtx
}

// lastWords is how long a bus may take to read what is told at the end.
const lastWords = 3 * time.Second

const (
	reconnectMin = time.Second
	reconnectMax = 30 * time.Second
)

// Run serves until ctx ends. A bus that is lost is connected to again, with
// growing waits. It returns an error only when the name is taken at the first
// connection, or the first connection fails and must holds.
func (s *Server) Run(ctx context.Context) error {
	wait := reconnectMin
	for first := true; ; first = false {
		err := s.serve(ctx)
		var taken *NameTakenError
		if ctx.Err() != nil {
			return nil
		}
		if first && errors.As(err, &taken) {
			return err
		}
		if err == nil {
			wait = reconnectMin
			err = errors.New("the bus closed the connection")
		}
		s.state(false, err)
		t := s.o.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		wait = min(2*wait, reconnectMax)
	}
}

func (s *Server) state(connected bool, err error) {
	if s.o.OnState != nil {
		s.o.OnState(connected, err)
	}
}

// dial connects with our own handler.
func (s *Server) dial(ctx context.Context) (*godbus.Conn, error) {
	opts := []godbus.ConnOption{godbus.WithHandler(s), godbus.WithContext(ctx), godbus.WithIncomingInterceptor(ownMachineID)}
	switch s.o.Address {
	case "session":
		return godbus.ConnectSessionBus(opts...)
	case "system":
		return godbus.ConnectSystemBus(opts...)
	}
	return godbus.Connect(s.o.Address, opts...)
}

// serve answers on one connection until it is lost (nil) or ctx ends.
func (s *Server) serve(ctx context.Context) error {
	cctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The connection outlives what is done on it, for the last words.
	line, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { s.o.Clock.AfterFunc(lastWords, cut) })()
	conn, err := s.dial(line)
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	defer s.leave(conn)
	s.mu.Lock()
	s.callCtx, s.conn, s.uids = cctx, conn, map[string]uint32{}
	s.mu.Unlock()
	s.pub.connected(conn, func() { cancel(); cut() }) // before anybody can call: what is listed then and what is told add up
	reply, err := conn.RequestName(BusName, godbus.NameFlagDoNotQueue)
	if err != nil {
		return fmt.Errorf("take the name %s: %w", BusName, err)
	}
	if reply != godbus.RequestNameReplyPrimaryOwner && reply != godbus.RequestNameReplyAlreadyOwner {
		return &NameTakenError{Owner: ownerOf(conn)}
	}
	s.state(true, nil)
	s.pub.run(cctx, conn)
	return nil
}

// leave ends a connection and waits for what still answers on it.
func (s *Server) leave(conn *godbus.Conn) {
	s.mu.Lock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.callCtx = ctx
	s.mu.Unlock()
	s.pub.disconnected()
	conn.Close() //nolint:errcheck // it is given up either way
	s.wg.Wait()
}

// ownerOf names who has our name.
func ownerOf(conn *godbus.Conn) string {
	var pid uint32
	var name string
	bus := conn.BusObject()
	if bus.Call("org.freedesktop.DBus.GetNameOwner", 0, BusName).Store(&name) != nil {
		return "somebody"
	}
	if bus.Call("org.freedesktop.DBus.GetConnectionUnixProcessID", 0, name).Store(&pid) != nil {
		return name
	}
	return fmt.Sprintf("process %d", pid)
}

// firstBackends names the backends that ObjectManager lists at first, in the order of their names.
func (s *Server) firstBackends() (names []string) {
	var cursor string
	for len(names) < s.o.MaxBackends {
		page, next, err := s.o.Engine.Backends(status.BackendQuery{Limit: s.o.MaxBackends - len(names), Cursor: cursor})
		if err != nil {
			return names
		}
		for _, b := range page {
			names = append(names, b.Name)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return names
}
