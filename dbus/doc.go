// Package dbus is the service's face on the message bus: the interface files and
// the exported objects. The typed client that the commands use is in dbus/client.
package dbus

// Names on the bus.
const (
	BusName     = "org.ipfskit.Intelligent1"        // the well-known name on the bus
	RootPath    = "/org/ipfskit/Intelligent1"       // the manager's object; those of backends, tasks and workers lie below it
	ErrorPrefix = "org.ipfskit.Intelligent1.Error." // what the names of errors begin with, before a status.Code
)
