// Package client calls a running service over D-Bus. It never starts one: each
// call says so to the bus, and an absent service is ErrNotRunning.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// Names on the bus.
const (
	BusName  = "org.ipfskit.Intelligent1"                     // the service's name
	RootPath = godbus.ObjectPath("/org/ipfskit/Intelligent1") // the manager's object

	manager = BusName + ".Manager"
	backend = BusName + ".Backend"
	task    = BusName + ".Task"
	worker  = BusName + ".Worker"
	errName = BusName + ".Error."
)

// ErrNotRunning says that nobody owns the service's name on the bus, or that there is no bus.
var ErrNotRunning = errors.New("ipfs-kit-intelligent is not running")

// Options are those of a method: additions within version 1 of the interface go there.
type Options map[string]any

// Client is one connection to the bus of a service.
type Client struct {
	conn   *godbus.Conn
	limits limits
	// Address is the bus that it speaks to.
	Address string
	// Ask, if set, is called when something is not allowed without the word of a person: it has
	// somebody ready to ask the person, and gives what ends that. The call is then made again, and may take minutes.
	Ask func(ctx context.Context) (end func())
}

// SessionAddress is the address of the session bus that the environment names,
// empty where there is none. It never starts one.
func SessionAddress(getenv func(string) string) string {
	if a := getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" && a != "autolaunch:" {
		return a
	}
	if run := getenv("XDG_RUNTIME_DIR"); run != "" {
		path := filepath.Join(run, "bus")
		if fi, err := os.Stat(path); err == nil && fi.Mode()&os.ModeSocket != 0 {
			return "unix:path=" + path
		}
	}
	return ""
}

// Dial connects to a bus: "session", "system", or a D-Bus address. No bus there is ErrNotRunning.
func Dial(ctx context.Context, bus string) (*Client, error) {
	address, err := addressOf(bus)
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, Address: address, limits: limits{answerLimit, personLimit, quietLimit}}, nil
}

// Connect is Dial for whoever calls others on the bus.
func Connect(ctx context.Context, bus string) (*godbus.Conn, error) {
	address, err := addressOf(bus)
	if err != nil {
		return nil, err
	}
	return connect(ctx, address)
}

// addressOf is the D-Bus address of a bus.
func addressOf(bus string) (string, error) {
	switch bus {
	case "session":
		if a := SessionAddress(os.Getenv); a != "" {
			return a, nil
		}
		return "", fmt.Errorf("%w: there is no session bus", ErrNotRunning)
	case "system":
		if a := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); a != "" {
			return a, nil
		}
		return "unix:path=/run/dbus/system_bus_socket", nil
	}
	return bus, nil
}

// connect connects, unless the context ends before.
func connect(ctx context.Context, address string) (*godbus.Conn, error) {
	type result struct {
		conn *godbus.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := godbus.Connect(address, godbus.WithSignalHandler(godbus.NewSequentialSignalHandler())) // in order, and none is lost
		done <- result{conn, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("%w: no bus answers at %s: %w", ErrNotRunning, address, r.err)
		}
		return r.conn, nil
	case <-ctx.Done():
		go func() { // a bus that accepts and says nothing: close what may still come
			if r := <-done; r.conn != nil {
				r.conn.Close() //nolint:errcheck // nobody uses it
			}
		}()
		return nil, fmt.Errorf("connect to the bus at %s: %w", address, endOf(ctx))
	}
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// call calls a method of the service and stores its results.
func (c *Client) call(ctx context.Context, path godbus.ObjectPath, method string, results []any, args ...any) error {
	for i, a := range args {
		if o, ok := a.(Options); ok {
			args[i] = variants(o)
		}
	}
	ask, cancel := bounded(ctx, c.limits.answer)
	defer cancel()
	call := c.send(ask, 0, path, method, args)
	var denied godbus.Error
	if c.Ask != nil && errors.As(call.Err, &denied) && denied.Name == errName+string(status.AccessDenied) {
		end := c.Ask(ctx)
		defer end()
		ask, cancel = bounded(ctx, c.limits.person)
		defer cancel()
		call = c.send(ask, godbus.FlagAllowInteractiveAuthorization, path, method, args)
	}
	if call.Err != nil {
		return asError(ask, call.Err)
	}
	if err := call.Store(results...); err != nil {
		return fmt.Errorf("understand the answer of %s: %w", method, err)
	}
	return nil
}

// send makes a call that starts nobody. The library's own calls lose the flag that allows to ask a person.
func (c *Client) send(ctx context.Context, flags godbus.Flags, path godbus.ObjectPath, method string, args []any) *godbus.Call {
	dot := strings.LastIndexByte(method, '.')
	msg := &godbus.Message{Type: godbus.TypeMethodCall, Flags: godbus.FlagNoAutoStart | flags, Body: args, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: godbus.MakeVariant(BusName),
		godbus.FieldPath:        godbus.MakeVariant(path),
		godbus.FieldInterface:   godbus.MakeVariant(method[:dot]),
		godbus.FieldMember:      godbus.MakeVariant(method[dot+1:]),
	}}
	if len(args) > 0 {
		msg.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(args...))
	}
	return <-c.conn.SendWithContext(ctx, msg, make(chan *godbus.Call, 1)).Done
}

func variants(o Options) map[string]godbus.Variant {
	m := make(map[string]godbus.Variant, len(o))
	for k, v := range o {
		m[k] = godbus.MakeVariant(v)
	}
	return m
}

// asError makes the service's errors *status.Error, and those that say that nobody is there ErrNotRunning.
func asError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("wait for the answer of the service: %w", endOf(ctx))
	}
	var broken *net.OpError
	if errors.Is(err, godbus.ErrClosed) || errors.Is(err, io.EOF) || errors.As(err, &broken) {
		return fmt.Errorf("%w: its bus ended", ErrNotRunning)
	}
	var format godbus.FormatError
	if errors.As(err, &format) { // of the call: nothing else in one comes from outside
		return status.Errorf(status.InvalidArgument, "a word of it is no UTF-8 text, and the bus takes no other")
	}
	var de godbus.Error
	if !errors.As(err, &de) {
		var pe *godbus.Error
		if !errors.As(err, &pe) {
			return err
		}
		de = *pe
	}
	msg := ""
	if len(de.Body) > 0 {
		msg, _ = de.Body[0].(string) //nolint:errcheck // without a text the name is said
	}
	if code, ok := strings.CutPrefix(de.Name, errName); ok {
		if msg == "" {
			msg = code
		}
		return &status.Error{Code: status.Code(code), Message: msg}
	}
	switch de.Name {
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected":
		return fmt.Errorf("%w on the bus at hand", ErrNotRunning)
	case "org.freedesktop.DBus.Error.AccessDenied":
		return &status.Error{Code: status.AccessDenied, Message: msg}
	}
	return fmt.Errorf("%s: %s", de.Name, msg)
}

// Owner is the process that owns the service's name.
func (c *Client) Owner(ctx context.Context) (pid uint32, err error) {
	bus := c.conn.BusObject()
	ctx, cancel := bounded(ctx, c.limits.answer)
	defer cancel()
	if err := bus.CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixProcessID", godbus.FlagNoAutoStart, BusName).Store(&pid); err != nil {
		return 0, asError(ctx, err)
	}
	return pid, nil
}

// WorkerPath is the object of a worker.
func WorkerPath(name string) godbus.ObjectPath {
	return RootPath + "/workers/" + godbus.ObjectPath(name)
}

// TaskID is the task of an object, or false.
func TaskID(path godbus.ObjectPath) (uint64, bool) {
	s, ok := strings.CutPrefix(string(path), string(RootPath)+"/tasks/")
	id, err := strconv.ParseUint(s, 10, 64)
	return id, ok && err == nil
}
