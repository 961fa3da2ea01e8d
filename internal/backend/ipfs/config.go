// Package ipfs keeps content on a Kubo node, through its RPC interface: a CAR is
// imported, and its root pinned under a name of ours, so that pins of other
// people and programs are told apart and never touched.
package ipfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
	"ipfskit.org/intelligent/internal/clock"
)

// Config is what the backend's configuration says.
type Config struct {
	// Name of the backend; the pins' name is made of it.
	Name string
	// API is the address of the RPC interface: a URL, host:port, or a multiaddr; default http://localhost:5001.
	API string
	// Token is the secret of a "bearer:" authorization of Kubo's.
	Token string
	// Username and Password are those of a "basic:" one.
	Username, Password string
	// CAFile is a PEM file of the authorities that the server's certificate may come from; empty: the system's.
	CAFile string
}

// Deps are what the adapter gets from the service.
type Deps struct {
	// Clock of timeouts, and that checks are timed by.
	Clock clock.Clock
	// Lane is the backend's own; it outlives the adapter.
	Lane *backend.Lane
	// Stall is the time without progress after which a transfer is given up; 0 means 5 minutes.
	Stall time.Duration
	// ProbeTimeout is that of a check; 0 means 30 seconds.
	ProbeTimeout time.Duration
	// Limits of the CARs that are verified; zero fields take the defaults.
	Limits carfile.Limits
	// Dial makes the connections; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	defaultAPI          = "http://localhost:5001"
	defaultStall        = 5 * time.Minute
	defaultProbeTimeout = 30 * time.Second
)

// Adapter is a Kubo node, for one task; see backend.Adapter.
type Adapter struct {
	cfg  Config
	deps Deps
	rpc  *client
}

var (
	_ backend.Adapter      = (*Adapter)(nil)
	_ backend.DeepVerifier = (*Adapter)(nil)
	_ backend.Cache        = (*Adapter)(nil)
)

// Open makes an adapter; the node is first asked by its methods. Settings that
// make no sense are a *backend.Error of class configuration.
func Open(ctx context.Context, cfg Config, deps Deps) (*Adapter, error) {
	if deps.Stall <= 0 {
		deps.Stall = defaultStall
	}
	if deps.ProbeTimeout <= 0 {
		deps.ProbeTimeout = defaultProbeTimeout
	}
	refuse := func(err error, hint string) error {
		return &backend.Error{Class: backend.ClassConfiguration, Op: "open backend " + cfg.Name, Err: err, Hint: hint}
	}
	base, err := parseAPI(cfg.API)
	if err != nil {
		return nil, refuse(err, "set api_url to something like http://127.0.0.1:5001")
	}
	auth, err := authorization(&cfg, base)
	if err != nil {
		return nil, refuse(err, "set either token, or username and password, as API.Authorizations in Kubo's configuration has them")
	}
	var roots *x509.CertPool
	if cfg.CAFile != "" && !filepath.IsAbs(cfg.CAFile) {
		return nil, refuse(fmt.Errorf("ca_file %s is no absolute path", cfg.CAFile), "write it from the root on: /path/to/ca.pem")
	}
	if cfg.CAFile != "" {
		err := deps.Lane.Do(ctx, "read "+cfg.CAFile, deps.ProbeTimeout, func() (err error) { roots, err = readCAs(cfg.CAFile); return err })
		if err != nil {
			return nil, refuse(err, "set ca_file to a PEM file that can be read")
		}
	}
	if deps.Dial == nil {
		deps.Dial = (&net.Dialer{Timeout: deps.ProbeTimeout}).DialContext
	}
	// No proxy of the environment: the interface is administrative, and mostly on this machine.
	transport := &http.Transport{
		DialContext:         deps.Dial,
		TLSHandshakeTimeout: deps.ProbeTimeout,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     time.Minute,
		// After it the content is sent though the server has not asked for it; old proxies never do.
		ExpectContinueTimeout: time.Second,
	}
	return &Adapter{cfg: cfg, deps: deps, rpc: newClient(base, auth, transport, deps)}, nil
}

// Target is the node's address in one spelling, without credentials; what can't
// be read is given as an empty text.
func Target(cfg Config) string {
	u, err := parseAPI(cfg.API)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}

// Close ends the connections.
func (a *Adapter) Close() error {
	a.rpc.close()
	return nil
}

// pinName marks the pins that are this backend's.
func (a *Adapter) pinName() string { return "ipfs-kit:" + a.cfg.Name }

// parseAPI reads all spellings of an address.
func parseAPI(s string) (*url.URL, error) {
	switch {
	case s == "":
		s = defaultAPI
	case strings.HasPrefix(s, "/"):
		var err error
		if s, err = fromMultiaddr(s); err != nil {
			return nil, err
		}
	case !strings.Contains(s, "://"):
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		// The error would quote the address, which may hold a password.
		return nil, errors.New("the address of its RPC interface is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("the address of its RPC interface %q is neither http nor https", u.Redacted())
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v0")
	u.RawPath, u.RawQuery, u.Fragment = "", "", ""
	return u, nil
}

// fromMultiaddr reads /ip4/127.0.0.1/tcp/5001, with /http, /https or /tls/http after it.
func fromMultiaddr(s string) (string, error) {
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if len(parts) < 4 || parts[2] != "tcp" {
		return "", fmt.Errorf("the multiaddr %q of its RPC interface is not like /ip4/127.0.0.1/tcp/5001", s)
	}
	switch parts[0] {
	case "ip4", "ip6", "dns", "dns4", "dns6":
	default:
		return "", fmt.Errorf("the multiaddr %q of its RPC interface begins with %q", s, parts[0])
	}
	scheme := "http"
	switch rest := strings.Join(parts[4:], "/"); rest {
	case "", "http":
	case "https", "tls", "tls/http":
		scheme = "https"
	default:
		return "", fmt.Errorf("the multiaddr %q of its RPC interface ends with %q", s, rest)
	}
	return scheme + "://" + net.JoinHostPort(parts[1], parts[3]), nil
}

// authorization makes the header's value, and takes credentials out of the address.
func authorization(cfg *Config, base *url.URL) (string, error) {
	if base.User != nil {
		if cfg.Username == "" {
			cfg.Username = base.User.Username()
			cfg.Password, _ = base.User.Password()
		}
		base.User = nil
	}
	for name, v := range map[string]string{"token": cfg.Token, "password": cfg.Password} {
		if _, ok := Variable(v); ok {
			return "", fmt.Errorf("%s names a variable, and variables are not filled in: write the value itself", name)
		}
		if strings.ContainsAny(v, "\r\n") {
			return "", fmt.Errorf("%s contains a line break", name)
		}
	}
	switch {
	case cfg.Token != "" && cfg.Username != "":
		return "", errors.New("both token and username are set")
	case cfg.Token != "":
		return "Bearer " + cfg.Token, nil
	case cfg.Username != "":
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(cfg.Username, cfg.Password)
		return r.Header.Get("Authorization"), nil
	case cfg.Password != "":
		return "", errors.New("password is set without username")
	}
	return "", nil
}

var variable = regexp.MustCompile(`^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$`)

// Variable is the name of the variable that a value stands for, which other programs fill
// in from their environment and this one does not; false where it stands for itself.
func Variable(value string) (name string, ok bool) {
	m := variable.FindStringSubmatch(value)
	if m == nil {
		return "", false
	}
	return m[1], true
}

func readCAs(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate", file)
	}
	return pool, nil
}
