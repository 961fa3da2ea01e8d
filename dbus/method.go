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
	sender string
	object object
	args   []any
	conn   *godbus.Conn
	msg    *godbus.Message
}

// reply answers before the function returns, for what must happen after the answer.
func (c *call) reply(values ...any) error {
	reply := &godbus.Message{Type: godbus.TypeMethodReply, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: godbus.MakeVariant(c.sender), godbus.FieldReplySerial: godbus.MakeVariant(c.msg.Serial())}, Body: values}
	if len(values) > 0 {
		reply.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(values...))
	}
	return c.answer(reply)
}

// fail is reply for an error.
func (c *call) fail(err error) error {
	var d *godbus.Error
	if !errors.As(asDBus(err), &d) {
		return err
	}
	return c.answer(&godbus.Message{Type: godbus.TypeError, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: godbus.MakeVariant(c.sender), godbus.FieldReplySerial: godbus.MakeVariant(c.msg.Serial()),
		godbus.FieldErrorName: godbus.MakeVariant(d.Name), godbus.FieldSignature: godbus.MakeVariant(godbus.SignatureOf(d.Body...))}, Body: d.Body})
}

// answer sends an answer, and keeps the library from sending another one.
func (c *call) answer(m *godbus.Message) error {
	if c.msg.Flags&godbus.FlagNoReplyExpected != 0 {
		return nil
	}
	c.msg.Flags |= godbus.FlagNoReplyExpected
	return c.conn.Send(m, nil).Err
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
	// conn and msg are what the call came with.
	conn   *godbus.Conn
	msg    *godbus.Message
	sender string
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
		return nil, noObject(m.object.path)
	}
	m.conn, m.msg, m.sender = conn, msg, sender
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
	c := &call{ctx: m.s.callContext(), s: m.s, sender: m.sender, object: m.object, args: args, conn: m.conn, msg: m.msg}
	leave, err := m.s.callers.enter(c.ctx, m.sender)
	if err != nil {
		return nil, asDBus(err)
	}
	defer leave()
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
		return godbus.NewError(ErrorPrefix+string(e.Code), []any{short(e.Message)})
	}
	return godbus.NewError("org.freedesktop.DBus.Error.Failed", []any{short(err.Error())})
}

// maxMessage bounds the text of an error: the value that was wrong may be megabytes.
const maxMessage = 4 << 10

func short(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage/2] + " … " + text[len(text)-maxMessage/2:]
	}
	return cleanText(text)
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
		if want := signatureOf(to); v.Signature().String() != want {
			return status.Errorf(status.InvalidArgument, "option %q has type %s, which is wrong: it takes %s", key, v.Signature(), want)
		}
		if err := godbus.Store([]any{v.Value()}, to); err != nil {
			return status.Errorf(status.InvalidArgument, "option %q can't be understood: %v", key, err)
		}
	}
	return nil
}

// given tells whether the a{sv} at i has an option.
func (c *call) given(i int, key string) bool {
	_, ok := c.args[i].(map[string]godbus.Variant)[key] //nolint:forcetypeassert // checked by DecodeArguments
	return ok
}

// signatureOf is the type of an option by where its value goes.
func signatureOf(to any) string {
	switch to.(type) {
	case *bool:
		return "b"
	case *string:
		return "s"
	case *[]string:
		return "as"
	case *uint32:
		return "u"
	case *uint64:
		return "t"
	}
	panic(fmt.Sprintf("no option has type %T", to)) // a test calls each with a wrong type
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
