// Package dbus is the service's face on the message bus: the interface files,
// the exported objects, and the typed client that the commands use.
package dbus
