package dbus

import (
	"context"
	"errors"
	"fmt"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// call is one method call on its way.
type call struct {
	ctx    context.Context
	s      *Server
	object object
	args   []any
}

// function answers a call.
type function func(c *call) ([]any, error)

// boundMethod is a method of an object; it implements godbus.Method.
type boundMethod struct {
	s      *Server
	object object
	gone   bool
	def    *methodXML
	iface  string
	change
}

// NumArguments counts the arguments that come in.
func (m *boundMethod) NumArguments() int { return len(m.in()) }

// NumReturns counts the values that go out.
func (m *boundMethod) NumReturns() int { return len(m.def.Args) - len(m.in()) }

// ArgumentValue gives a value of the argument's Go type.
func (m *boundMethod) ArgumentValue(i int) any { return zero(m.in()[i].Type) }

// ReturnValue is not used by the library for our methods.
func (m *boundMethod) ReturnValue(int) any { return nil }

func (m *boundMethod) in() (args []argXML) {
	for _, a := range m.def.Args {
		if a.Direction != "out" {
			args = append(args, a)
		}
	}
	return args
}

// DecodeArguments checks who calls, and then the signature. It implements godbus.ArgumentDecoder.
func (m *boundMethod) DecodeArguments(conn *godbus.Conn, sender string, msg *godbus.Message, args []any) ([]any, error) {
	if err := m.s.admit(conn, sender, msg.Flags, m.action); err != nil {
		return nil, asDBus(err)
	}
	if m.gone {
		return nil, godbus.NewError("org.freedesktop.DBus.Error.UnknownObject", []any{fmt.Sprintf("Unknown object %s", m.object.path)})
	}
	want := ""
	for _, a := range m.in() {
		want += a.Type
	}
	got, _ := msg.Headers[godbus.FieldSignature].Value().(godbus.Signature) //nolint:errcheck // none is an empty one
	if got.String() != want {
		return nil, godbus.NewError("org.freedesktop.DBus.Error.InvalidArgs", []any{
			fmt.Sprintf("%s.%s takes arguments of type %q, and was called with %q", m.iface, m.def.Name, want, got.String())})
	}
	pointers := make([]any, 0, len(args))
	values := make([]any, 0, len(args))
	for i := range m.in() {
		p := newPointer(m.ArgumentValue(i))
		pointers = append(pointers, p)
	}
	if err := godbus.Store(msg.Body, pointers...); err != nil {
		return nil, godbus.NewError("org.freedesktop.DBus.Error.InvalidArgs", []any{err.Error()})
	}
	for _, p := range pointers {
		values = append(values, deref(p))
	}
	return values, nil
}

func newPointer(v any) any {
	switch v.(type) {
	case string:
		return new(string)
	case uint64:
		return new(uint64)
	case []string:
		return new([]string)
	case map[string]godbus.Variant:
		return new(map[string]godbus.Variant)
	}
	return new(godbus.Variant)
}

func deref(p any) any {
	switch x := p.(type) {
	case *string:
		return *x
	case *uint64:
		return *x
	case *[]string:
		return *x
	case *map[string]godbus.Variant:
		return *x
	case *godbus.Variant:
		return *x
	}
	return p
}

// Call runs the method. A panic in it is an error of this call alone.
func (m *boundMethod) Call(args ...any) (out []any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = godbus.NewError("org.freedesktop.DBus.Error.Failed", []any{fmt.Sprintf("internal error (please report it): %v", v)})
		}
	}()
	c := &call{ctx: m.s.callContext(), s: m.s, object: m.object, args: args}
	out, err = m.run(c)
	if err != nil {
		return nil, asDBus(err)
	}
	return out, nil
}

// asDBus gives an error the name that callers see.
func asDBus(err error) error {
	var e *status.Error
	var d *godbus.Error
	switch {
	case errors.As(err, &d):
		return d
	case errors.As(err, &e):
		return godbus.NewError(ErrorPrefix+string(e.Code), []any{e.Message})
	}
	return godbus.NewError("org.freedesktop.DBus.Error.Failed", []any{err.Error()})
}

// text, names and options read the arguments, whose types were checked.
func (c *call) text(i int) string    { return c.args[i].(string) }   //nolint:forcetypeassert // checked by DecodeArguments
func (c *call) names(i int) []string { return c.args[i].([]string) } //nolint:forcetypeassert // checked by DecodeArguments

// options reads the a{sv} at i: unknown keys and wrong types are errors. known maps keys to where their values go.
func (c *call) options(i int, known map[string]any) error {
	for key, v := range c.args[i].(map[string]godbus.Variant) { //nolint:forcetypeassert // checked by DecodeArguments
		to, ok := known[key]
		if !ok {
			return status.Errorf(status.InvalidArgument, "option %q is not known; known are: %s", key, keysOf(known))
		}
		if err := godbus.Store([]any{v.Value()}, to); err != nil {
			return status.Errorf(status.InvalidArgument, "option %q has type %s, which is wrong: %v", key, v.Signature(), err)
		}
	}
	return nil
}

func keysOf(known map[string]any) string {
	if len(known) == 0 {
		return "none"
	}
	s := ""
	for _, k := range sortedKeys(known) {
		if s != "" {
			s += ", "
		}
		s += k
	}
	return s
}
