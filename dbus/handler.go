package dbus

import (
	"fmt"
	"slices"
	"strings"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// LookupObject implements godbus.Handler: one handler answers for every path, and
// asks the engine what is there. Nothing is ever exported or unexported, so no
// introspection can meet a half-made object. What is not there answers too: with
// the error that says so.
func (s *Server) LookupObject(path godbus.ObjectPath) (godbus.ServerObject, bool) {
	o, ok := s.object(path)
	// One that is not there says so itself, once it is known that the caller may call.
	return boundObject{s, o, ok}, true
}

// boundObject implements godbus.ServerObject.
type boundObject struct {
	s     *Server
	o     object
	there bool
}

// interfaces lists the names of what an object implements.
func (o object) interfaces() []string {
	list := []string{ifIntrospect, ifPeer}
	if o.kind != "" {
		list = append(list, ifProperties, o.kind)
	}
	if o.path == RootPath {
		list = append(list, ifObjects)
	}
	return list
}

// LookupInterface finds an interface; the empty name stands for all.
func (b boundObject) LookupInterface(name string) (godbus.Interface, bool) {
	return boundInterface{b, name}, true
}

// boundInterface implements godbus.Interface.
type boundInterface struct {
	b    boundObject
	name string
}

// LookupMethod finds a method, or one that answers with what is wrong with the call.
func (i boundInterface) LookupMethod(name string) (godbus.Method, bool) {
	o := i.b.o
	m, known := i.method(name)
	switch names := o.interfaces(); {
	case known && (i.b.there || m.action != "" || m.iface == ifPeer): // who may not change things learns nothing of what is there; Peer answers for every path
		return m, true
	case !i.b.there:
		return refusal{i.b.s, noObject(o.path)}, true
	case i.name != "" && !slices.Contains(names, i.name):
		return i.b.refuse("UnknownInterface", "%s has no interface %q; it has: %s", o.path, i.name, strings.Join(names, ", ")), true
	default:
		return i.b.refuse("UnknownMethod", "%s has no method %q in %s; introspect it for what it has", o.path, name, strings.Join(names, ", ")), true
	}
}

// method finds one of the object's, in the interface that was named or in all.
func (i boundInterface) method(name string) (*boundMethod, bool) {
	for _, iface := range i.b.o.interfaces() {
		if i.name != "" && i.name != iface {
			continue
		}
		def := model()[iface]
		for m := range def.Methods {
			f, served := functions[iface+"."+name]
			if def.Methods[m].Name != name || !served {
				continue
			}
			if iface == ifProperties && i.b.o.kind != ifLogControl {
				f.action = "" // no other property can be set, whoever asks
			}
			return &boundMethod{s: i.b.s, object: i.b.o, gone: !i.b.there && iface != ifPeer, def: &def.Methods[m], iface: iface, change: f}, true
		}
	}
	return nil, false
}

// noObject says that nothing is at a path.
func noObject(path godbus.ObjectPath) *godbus.Error {
	return godbus.NewError("org.freedesktop.DBus.Error.UnknownObject", []any{cleanText(fmt.Sprintf(
		"there is no object %s: it may be gone; GetManagedObjects, ListBackends and ListTasks of %s tell what there is", path, RootPath))})
}

// refuse is a method that takes anything and answers with an error of the bus's own names.
func (b boundObject) refuse(name, format string, args ...any) godbus.Method {
	return refusal{b.s, godbus.NewError("org.freedesktop.DBus.Error."+name, []any{cleanText(fmt.Sprintf(format, args...))})}
}

// refusal implements godbus.Method and godbus.ArgumentDecoder.
type refusal struct {
	s   *Server
	err *godbus.Error
}

// NumArguments is not asked for: the arguments are not looked at.
func (refusal) NumArguments() int { return 0 }

// NumReturns is not asked for either.
func (refusal) NumReturns() int { return 0 }

// ArgumentValue is not asked for either.
func (refusal) ArgumentValue(int) any { return nil }

// ReturnValue is not asked for either.
func (refusal) ReturnValue(int) any { return nil }

// DecodeArguments refuses; who may not call at all is told that.
func (r refusal) DecodeArguments(conn *godbus.Conn, sender string, msg *godbus.Message, _ []any) ([]any, error) {
	if err := r.s.admit(conn, sender, msg.Flags, ""); err != nil {
		return nil, asDBus(err)
	}
	return nil, r.err
}

// Call refuses.
func (r refusal) Call(...any) ([]any, error) { return nil, r.err }

// functions are all methods by full name, those that only read without an action; a test holds that each of the XML is there.
var functions map[string]change

func init() { //nolint:gochecknoinits // the table refers to functions that refer to the model
	functions = map[string]change{
		ifPeer + ".Ping":                 {run: func(*call) ([]any, error) { return nil, nil }},
		ifPeer + ".GetMachineId":         {run: machineID},
		ifIntrospect + ".Introspect":     {run: introspect},
		ifProperties + ".Get":            {run: propertyGet},
		ifProperties + ".GetAll":         {run: propertyGetAll},
		ifProperties + ".Set":            {run: propertySet, action: actionLog},
		ifObjects + ".GetManagedObjects": {run: managedObjects},
	}
	for name, f := range managerMethods {
		functions[ifManager+"."+name] = change{run: f}
	}
	for name, f := range managerChanges {
		functions[ifManager+"."+name] = f
	}
	for name, f := range objectChanges {
		functions[BusName+"."+name] = f
	}
}

// introspect describes an object and names the objects below it.
func introspect(c *call) ([]any, error) {
	var sb strings.Builder
	sb.WriteString("<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n" +
		" \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n")
	for _, name := range c.object.interfaces() {
		fmt.Fprintf(&sb, "  <interface name=\"%s\">%s</interface>\n", name, model()[name].Inner)
	}
	for _, child := range c.s.children(c.object.path) {
		fmt.Fprintf(&sb, "  <node name=\"%s\"/>\n", child)
	}
	sb.WriteString("</node>\n")
	return []any{sb.String()}, nil
}

// children names the objects one level below a path; backends and tasks up to the configured number.
func (s *Server) children(path godbus.ObjectPath) (out []string) {
	switch path {
	case "/":
		return []string{"org"}
	case "/org":
		return []string{"freedesktop", "ipfskit"}
	case "/org/freedesktop":
		return []string{"LogControl1"}
	case "/org/ipfskit":
		return []string{"Intelligent1"}
	case RootPath:
		return []string{"backends", "tasks", "workers"}
	case workersPath:
		return status.Workers
	case backendsPath, tasksPath:
		for _, o := range s.pub.objects() {
			if rest, ok := strings.CutPrefix(string(o.path), string(path)+"/"); ok {
				out = append(out, rest)
			}
		}
	}
	return out
}

func workerObjects() (out []object) {
	for _, w := range status.Workers {
		out = append(out, workerObject(w))
	}
	return out
}

// managedObjects tells of workers, tasks, and backends up to the configured number. It answers between two signals: whoever listens too is told of each object once.
func managedObjects(c *call) ([]any, error) {
	return nil, c.s.pub.listing(func(now []object) error {
		out := map[godbus.ObjectPath]map[string]map[string]godbus.Variant{}
		for _, o := range append(workerObjects(), now...) {
			if v, ok := c.s.values(o); ok {
				c.s.pub.read(o, v)
				out[o.path] = map[string]map[string]godbus.Variant{o.kind: v.variants()}
			}
		}
		return c.reply(out)
	})
}

// propertiesOf finds the interface that a Properties call is about.
func propertiesOf(c *call) (*interfaceXML, values, error) {
	name := c.text(0)
	if name != c.object.kind && name != "" {
		for _, i := range c.object.interfaces() {
			if i == name {
				return model()[name], values{}, nil
			}
		}
		return nil, nil, godbus.NewError("org.freedesktop.DBus.Error.UnknownInterface", []any{fmt.Sprintf("%s has no interface %q; it has: %s", c.object.path, name, strings.Join(c.object.interfaces(), ", "))})
	}
	v, ok := c.s.values(c.object)
	if !ok {
		return nil, nil, godbus.NewError("org.freedesktop.DBus.Error.UnknownObject", []any{fmt.Sprintf("%s is gone", c.object.path)})
	}
	c.s.pub.read(c.object, v)
	return model()[c.object.kind], v, nil
}

func propertyGet(c *call) ([]any, error) {
	_, v, err := propertiesOf(c)
	if err != nil {
		return nil, err
	}
	x, ok := v[c.text(1)]
	if !ok {
		return nil, unknownProperty(c)
	}
	return []any{variant(x)}, nil
}

func propertyGetAll(c *call) ([]any, error) {
	_, v, err := propertiesOf(c)
	if err != nil {
		return nil, err
	}
	return []any{v.variants()}, nil
}

func unknownProperty(c *call) error {
	return godbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", []any{fmt.Sprintf("%s of %s has no property %q; introspect it for what it has", c.text(0), c.object.path, c.text(1))})
}

// propertySet serves LogControl1's level; everything else is read-only.
func propertySet(c *call) ([]any, error) {
	_, v, err := propertiesOf(c)
	if err != nil {
		return nil, err
	}
	if _, ok := v[c.text(1)]; !ok {
		return nil, unknownProperty(c)
	}
	value, isText := c.args[2].(godbus.Variant).Value().(string) //nolint:forcetypeassert // checked by DecodeArguments
	if c.object.kind != ifLogControl || c.text(1) == "SyslogIdentifier" {
		return nil, godbus.NewError("org.freedesktop.DBus.Error.PropertyReadOnly", []any{fmt.Sprintf("%s can only be read; methods change things", c.text(1))})
	}
	if !isText {
		return nil, status.Errorf(status.InvalidArgument, "%s is a text", c.text(1))
	}
	if c.text(1) == "LogTarget" {
		if value != c.s.o.Engine.LogTarget() {
			return nil, status.Errorf(status.Unsupported, "the log target %q can't be set: it is %s", value, c.s.o.Engine.LogTarget())
		}
		return nil, nil
	}
	return nil, c.s.o.Engine.SetLogLevel(value)
}
