package dbus

import (
	_ "embed" // the interface is the XML
	"encoding/xml"
	"fmt"
	"sync"

	godbus "github.com/godbus/dbus/v5"
)

//go:embed org.ipfskit.Intelligent1.Manager.xml
var managerXML []byte

//go:embed org.ipfskit.Intelligent1.Backend.xml
var backendXML []byte

//go:embed org.ipfskit.Intelligent1.Task.xml
var taskXML []byte

//go:embed org.ipfskit.Intelligent1.Worker.xml
var workerXML []byte

// standardXML are the interfaces that every object has, or that hosts of them expect.
var standardXML = []byte(`<node>
  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId"><arg name="machine_uuid" type="s" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect"><arg name="xml_data" type="s" direction="out"/></method>
  </interface>
  <interface name="org.freedesktop.DBus.Properties">
    <method name="Get"><arg name="interface_name" type="s" direction="in"/><arg name="property_name" type="s" direction="in"/><arg name="value" type="v" direction="out"/></method>
    <method name="GetAll"><arg name="interface_name" type="s" direction="in"/><arg name="properties" type="a{sv}" direction="out"/></method>
    <method name="Set"><arg name="interface_name" type="s" direction="in"/><arg name="property_name" type="s" direction="in"/><arg name="value" type="v" direction="in"/></method>
    <signal name="PropertiesChanged"><arg name="interface_name" type="s"/><arg name="changed_properties" type="a{sv}"/><arg name="invalidated_properties" type="as"/></signal>
  </interface>
  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects"><arg name="objects" type="a{oa{sa{sv}}}" direction="out"/></method>
    <signal name="InterfacesAdded"><arg name="object" type="o"/><arg name="interfaces" type="a{sa{sv}}"/></signal>
    <signal name="InterfacesRemoved"><arg name="object" type="o"/><arg name="interfaces" type="as"/></signal>
  </interface>
  <interface name="org.freedesktop.LogControl1">
    <property name="LogLevel" type="s" access="readwrite"><annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/></property>
    <property name="LogTarget" type="s" access="readwrite"><annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/></property>
    <property name="SyslogIdentifier" type="s" access="read"><annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/></property>
  </interface>
</node>`)

// Names of interfaces.
const (
	ifManager    = BusName + ".Manager"
	ifBackend    = BusName + ".Backend"
	ifTask       = BusName + ".Task"
	ifWorker     = BusName + ".Worker"
	ifProperties = "org.freedesktop.DBus.Properties"
	ifIntrospect = "org.freedesktop.DBus.Introspectable"
	ifObjects    = "org.freedesktop.DBus.ObjectManager"
	ifPeer       = "org.freedesktop.DBus.Peer"
	ifLogControl = "org.freedesktop.LogControl1"
)

// nodeXML is an introspection document as far as this program needs it.
type nodeXML struct {
	Interfaces []interfaceXML `xml:"interface"`
}

type interfaceXML struct {
	Name       string        `xml:"name,attr"`
	Methods    []methodXML   `xml:"method"`
	Properties []propertyXML `xml:"property"`
	// Inner is the text between the tags, to be handed out as it is.
	Inner string `xml:",innerxml"`
}

type methodXML struct {
	Name string   `xml:"name,attr"`
	Args []argXML `xml:"arg"`
}

type argXML struct {
	Name      string `xml:"name,attr"`
	Type      string `xml:"type,attr"`
	Direction string `xml:"direction,attr"`
}

type propertyXML struct {
	Name        string `xml:"name,attr"`
	Type        string `xml:"type,attr"`
	Access      string `xml:"access,attr"`
	Annotations []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"annotation"`
}

// emits is how a property's changes are told: true, invalidates, const or false.
func (p *propertyXML) emits() string {
	for _, a := range p.Annotations {
		if a.Name == "org.freedesktop.DBus.Property.EmitsChangedSignal" {
			return a.Value
		}
	}
	return "true"
}

// model are all interfaces by name, read once.
var model = sync.OnceValue(func() map[string]*interfaceXML {
	out := map[string]*interfaceXML{}
	for _, data := range [][]byte{managerXML, backendXML, taskXML, workerXML, standardXML} {
		var n nodeXML
		if err := xml.Unmarshal(data, &n); err != nil {
			panic(fmt.Sprintf("the embedded interface can't be parsed: %v", err)) // a test holds that it can
		}
		for i := range n.Interfaces {
			out[n.Interfaces[i].Name] = &n.Interfaces[i]
		}
	}
	return out
})

// zero gives a value of the Go type that stands for a signature of our methods' arguments.
func zero(signature string) any {
	switch signature {
	case "s":
		return ""
	case "t":
		return uint64(0)
	case "as":
		return []string(nil)
	case "a{sv}":
		return map[string]godbus.Variant(nil)
	case "v":
		return godbus.Variant{}
	}
	panic("no argument of our interface has type " + signature) // a test holds that none has
}
