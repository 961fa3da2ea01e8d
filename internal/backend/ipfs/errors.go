package ipfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"ipfskit.org/intelligent/internal/backend"
)

// rpcError is what the node itself says is wrong with a call.
type rpcError struct{ Message string }

func (e *rpcError) Error() string { return "the node says: " + e.Message }

// Texts of the node, which has no codes for these.
var (
	textsNotPinned = []string{"is not pinned", "not pinned or pinned indirectly", "is pinned indirectly"}
	textsMissing   = []string{"not found locally", "could not find", "block not found", "merkledag: not found", "ipld: could not find"}
	textsDamaged   = []string{"hash mismatch", "block in storage has different hash"}
	textsFull      = []string{"no space left on device", "maximum storage limit exceeded", "disk quota exceeded"}
)

func says(err error, texts []string) bool {
	var e *rpcError
	if !errors.As(err, &e) {
		return false
	}
	for _, t := range texts {
		if strings.Contains(e.Message, t) {
			return true
		}
	}
	return false
}

func notPinned(err error) bool { return says(err, textsNotPinned) }
func missing(err error) bool   { return says(err, textsMissing) }
func damaged(err error) bool   { return says(err, textsDamaged) }

// rpcError classifies an error of the node.
func (s *stream) rpcError(msg string) error {
	err := &rpcError{Message: shorten(msg)}
	e := &backend.Error{Class: backend.ClassServer, Op: s.op, Err: err}
	if says(err, textsFull) {
		e.Class, e.Hint = backend.ClassQuota, "make room on the node's disk, or collect its garbage (ipfs repo gc)"
	}
	return e
}

// shorten keeps a server from filling logs.
func shorten(s string) string {
	const most = 500
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// statusError is an answer other than 200.
func (s *stream) statusError(resp *http.Response, text []byte) error {
	var m struct{ Message, Type string }
	if json.Unmarshal(text, &m) == nil && m.Message != "" && resp.StatusCode == http.StatusInternalServerError {
		return s.rpcError(m.Message)
	}
	answers := fmt.Sprintf("%s answers %s", s.c.base.Redacted(), resp.Status)
	page := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") // for browsers, and of no node
	if said := shorten(string(text)); said != "" && !page {
		answers += ": " + said
	}
	e := &backend.Error{Op: s.op, Err: errors.New(answers)}
	switch code := resp.StatusCode; {
	case code == http.StatusBadRequest && plainToTLS.Match(text):
		e.Class, e.Hint = backend.ClassConfiguration, hintTLS
	case code >= 300 && code < 400:
		e.Class, e.Hint = backend.ClassConfiguration, "it wants to send us to another address, which is never followed: set api_url to the node itself"
		e.Err = fmt.Errorf("%s answers %s", s.c.base.Redacted(), resp.Status)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Class, e.Hint = backend.ClassAuth, "set token, or username and password, to what it asks for: one of API.Authorizations in Kubo's configuration"
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		e.Class, e.Hint = backend.ClassConfiguration, hintNode
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		e.Class, e.Hint = backend.ClassNetwork, "a proxy before the node answers, the node does not"
	case code == http.StatusInsufficientStorage:
		e.Class, e.Hint = backend.ClassQuota, "make room on the node's disk"
	case page:
		e.Class, e.Hint = backend.ClassConfiguration, hintNode
	default:
		e.Class = backend.ClassServer
	}
	return e
}

// Next steps that several errors share.
const (
	hintNode = "is this the RPC interface of a Kubo node (port 5001, not the gateway)?"
	hintTLS  = "one side speaks TLS, the other does not: look at http and https in api_url"
)

// plainToTLS is what servers say to plain HTTP on a port for TLS.
var plainToTLS = regexp.MustCompile(`HTTP request (was sent )?to (an )?HTTPS`)

// transportError is a call that has no whole answer.
func (s *stream) transportError(err error) error {
	if cerr := s.parent.Err(); cerr != nil {
		return fmt.Errorf("%s: %w", s.op, cerr)
	}
	cause := context.Cause(s.ctx)
	e := &backend.Error{Class: backend.ClassNetwork, Op: s.op}
	if errors.Is(cause, errStalled) {
		e.Err, e.Hint = fmt.Errorf("%s: %w", s.c.base.Redacted(), cause), "the node hangs or is very busy: look at its log"
		return e
	}
	// The URL's arguments say nothing to people.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	// Nor does our own port, which is another one each time.
	var op *net.OpError
	if errors.As(err, &op) && op.Source != nil {
		err = &net.OpError{Op: op.Op, Net: op.Net, Addr: op.Addr, Err: op.Err}
	}
	e.Err, e.Hint = fmt.Errorf("%s: %w", s.c.base.Redacted(), err), "is the node running, and its address right?"
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.As(err, &unknown), errors.As(err, &host):
		e.Class, e.Hint = backend.ClassAuth, "its certificate is not trusted: set ca_file to the authority that signed it"
	case errors.As(err, &record), // the next two have no type in net/http
		strings.Contains(err.Error(), "HTTP response to HTTPS client"), strings.Contains(err.Error(), "malformed HTTP response"):
		e.Class, e.Hint = backend.ClassConfiguration, hintTLS
	case s.c.base.Scheme == "http" && (op == nil || op.Op != "dial" || errors.Is(err, syscall.ECONNRESET)): // it was reached, and broke the connection off
		e.Hint = "is the node running, and its address right, http or https?"
	}
	return e
}
