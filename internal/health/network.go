package health

import (
	"errors"
	"maps"
	"net"
	"syscall"
	"time"
)

// Network tells when the trouble is this machine's own network: one fact, not one per backend.
type Network struct {
	failed map[string]time.Time
	// down is true while the machine's own network seems to be away.
	down bool
}

// networkWindow is how close together failures must be to count as one.
const networkWindow = time.Minute

// networkLeast is how many different endpoints must fail.
const networkLeast = 3

// Failed notes that an endpoint could not be reached; it tells whether the network just went down.
func (n *Network) Failed(endpoint string, now time.Time) bool {
	if n.failed == nil {
		n.failed = map[string]time.Time{}
	}
	n.failed[endpoint] = now
	if n.down {
		return false // each that failed since it went down may be the one that tells that it is back
	}
	maps.DeleteFunc(n.failed, func(_ string, at time.Time) bool { return now.Sub(at) > networkWindow })
	n.down = len(n.failed) >= networkLeast
	return n.down
}

// Forget drops an endpoint that no backend points at any more.
func (n *Network) Forget(endpoint string) { delete(n.failed, endpoint) }

// Away tells whether an error may be this machine's network: who refuses, or breaks
// a connection off, was reached.
func Away(err error) bool {
	var name *net.DNSError
	var timeout net.Error
	return errors.As(err, &name) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETDOWN) || errors.As(err, &timeout) && timeout.Timeout()
}

// Reached notes that an endpoint answered; it tells whether the network just came back. One that
// did not fail, such as a folder or a node of this machine, says nothing about it while others did.
func (n *Network) Reached(endpoint string) bool {
	_, failed := n.failed[endpoint]
	delete(n.failed, endpoint)
	if !n.down || !failed && len(n.failed) > 0 {
		return false
	}
	n.down = false
	clear(n.failed)
	return true
}
