package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"

	"ipfskit.org/intelligent/internal/backend"
)

// cause is why an endpoint can't be used, and what to do.
type cause struct{ code, what, mend string }

// causeOf tells the causes apart that people mend in different ways.
func causeOf(err error) cause {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		handshake *tls.CertificateVerificationError
		alert     tls.AlertError
		record    tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &name):
		return cause{"endpoint-name", "its name does not resolve", "look at the name in its configuration, and at DNS: getent hosts NAME"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return cause{"endpoint-refused", "nobody listens there", "start the server, or look at the port in its configuration"}
	case errors.As(err, &authority):
		return cause{"endpoint-tls-untrusted", "its certificate is signed by nobody who is trusted", "set ca_file to the authority that signed it"}
	case errors.As(err, &host):
		return cause{"endpoint-tls-name", "its certificate is for another name", "use a name of the certificate in the configuration, or get a certificate for this one"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return cause{"endpoint-tls-expired", "its certificate is expired or not valid yet", "renew the certificate on the server; look at this machine's clock too: date"}
	case errors.As(err, &invalid), errors.As(err, &handshake), errors.As(err, &alert), errors.As(err, &record),
		strings.Contains(err.Error(), "HTTP response to HTTPS client"): // net/http has no type for it
		return cause{"endpoint-tls", "TLS does not come about", "look at http and https in its address, and at the server's certificate"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return cause{"endpoint-no-route", "there is no way to it from here", "look at the network: ip route get ADDRESS"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded), hangs(err), errors.As(err, &timeout) && timeout.Timeout():
		return cause{"endpoint-timeout", "it does not answer", "look at the server and at firewalls between"}
	}
	switch backend.ClassOf(err) {
	case backend.ClassAuth:
		return cause{"endpoint-auth", "it does not take the credentials", "mend token, or username and password, in its configuration"}
	case backend.ClassConfiguration:
		mend := "mend its configuration"
		if e := (*backend.Error)(nil); errors.As(err, &e) && e.Hint != "" {
			mend = e.Hint
		}
		return cause{"backend-misconfigured", "its configuration makes no sense", mend}
	case backend.ClassNetwork:
		return cause{"endpoint-timeout", "it does not answer as it should", "look at the server, at proxies before it, and at http or https in its address"}
	}
	return cause{"endpoint-trouble", "it answers with an error", "look at the server's log"}
}
