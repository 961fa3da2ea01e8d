package health

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Network tells when the trouble is this machine's own network: one fact, not one per backend.
type Network struct {
	failed map[string]time.Time
	// Down is true while the machine's own network seems to be away.
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
	recent := 0
	for e, at := range n.failed {
		if now.Sub(at) > networkWindow {
			delete(n.failed, e)
		} else {
			recent++
		}
	}
	if n.down || recent < networkLeast {
		return false
	}
	n.down = true
	return true
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

// Reached notes that an endpoint answered; it tells whether the network just came back.
func (n *Network) Reached(endpoint string) bool {
	delete(n.failed, endpoint)
	if !n.down {
		return false
	}
	n.down = false
	clear(n.failed)
	return true
}
