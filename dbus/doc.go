// Package dbus is the service's face on the message bus: the interface files,
// the exported objects, and the typed client that the commands use.
package dbus

// Names on the bus.
const (
	BusName     = "org.ipfskit.Intelligent1"
	RootPath    = "/org/ipfskit/Intelligent1"
	ErrorPrefix = "org.ipfskit.Intelligent1.Error."
)
