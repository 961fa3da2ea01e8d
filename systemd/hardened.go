// Package systemd holds the units, and the sandbox that `doctor --drop-in` prints.
package systemd

import _ "embed" // for Hardened

// Hardened is the drop-in with the whole sandbox for the user unit, as it is installed beside the documentation.
//
//go:embed hardened.conf
var Hardened string
