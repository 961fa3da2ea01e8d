package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

func currentUser(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}

// certificate is signed by itself; its file is what ca_file names.
func (w *world) certificate(name string, until time.Time) (tls.Certificate, string) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, DNSNames: []string{name}}
	if ip := net.ParseIP(name); ip != nil {
		c.DNSNames, c.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.dir, name+".pem")
	w.write(file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// secure is a server with a certificate.
func (w *world) secure(c tls.Certificate, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	w.t.Cleanup(s.Close)
	return s
}

// kubo answers as a Kubo node does to a check.
var kubo = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/v0/id":
		rw.Write([]byte(`{"ID":"12D3KooWA"}`))
	case "/api/v0/version":
		rw.Write([]byte(`{"Version":"0.30.0"}`))
	default:
		rw.Write([]byte(`{"RepoSize":1,"StorageMax":1000}`))
	}
})

// An endpoint that can't be reached is told by its cause, since each is mended in another way.
func TestEndpointsAreToldByTheirCause(t *testing.T) {
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	configure := func(w *world, address, ca string) {
		w.configure("kubo", "type: ipfs\napi_url: %s\nca_file: %s\n", address, ca)
	}
	for code, seed := range map[string]func(*world){
		"endpoint-name":    func(w *world) { configure(w, "http://no-such-name.invalid:5001", "") },
		"endpoint-refused": func(w *world) { configure(w, "http://"+closedPort(t), "") },
		"endpoint-timeout": func(w *world) { w.o.Probe = time.Second; configure(w, "http://"+silent(t), "") },
		"endpoint-tls-untrusted": func(w *world) {
			c, _ := w.certificate("127.0.0.1", later)
			configure(w, w.secure(c, kubo).URL, "")
		},
		"endpoint-tls-expired": func(w *world) {
			c, ca := w.certificate("127.0.0.1", past)
			configure(w, w.secure(c, kubo).URL, ca)
		},
		"endpoint-tls-name": func(w *world) {
			c, ca := w.certificate("elsewhere.example", later)
			configure(w, w.secure(c, kubo).URL, ca)
		},
		"endpoint-tls": func(w *world) {
			s := httptest.NewServer(kubo)
			t.Cleanup(s.Close)
			configure(w, "https"+s.URL[len("http"):], "")
		},
		"endpoint-auth": func(w *world) {
			s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) }))
			t.Cleanup(s.Close)
			configure(w, s.URL, "")
		},
		"endpoint-trouble": func(w *world) {
			s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) }))
			t.Cleanup(s.Close)
			configure(w, s.URL, "")
		},
	} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			c, ca := w.certificate("127.0.0.1", later)
			configure(w, w.secure(c, kubo).URL, ca)
			w.misses(code)
			if d := w.run(); !d.Healthy {
				t.Errorf("a node that answers: %+v", d.Findings)
			}
			seed(w)
			if f := w.finds(code); f.Subject != "kubo" || strings.Contains(f.Mend, "NAME") || code == "endpoint-name" && !strings.Contains(f.Mend, "getent hosts no-such-name.invalid") {
				t.Errorf("%+v", f)
			}
		})
	}
}

// A machine without a way there answers at once, as the kernel says it.
func TestWhereNoWayLeadsIsToldAsThat(t *testing.T) {
	for _, no := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH} {
		err := &backend.Error{Class: backend.ClassNetwork, Op: "ask the node", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", no)}}
		if c := causeOf(err); c.code != "endpoint-no-route" || !strings.Contains(c.mend, "ip route get") {
			t.Errorf("%v: %+v", no, c)
		}
	}
}

// closedPort is one where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// silent is a server that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
