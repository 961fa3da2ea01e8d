package ipfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile/cartest"
	"ipfskit.org/intelligent/internal/backend/ipfs"
)

// fake is a node that answers as the test says; what it does not know of answers as if all was well.
type fake map[string]http.HandlerFunc

const stranger = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"

func say(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// breakOff is an answer that begins well and ends with an error, as Kubo sends it.
func breakOff(body, msg string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Stream-Error")
		_, _ = io.WriteString(w, body)
		w.Header().Set("X-Stream-Error", msg)
	}
}

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v0/")
	if h, ok := f[path]; ok {
		h(w, r)
		return
	}
	switch path {
	case "dag/import":
		say(200, `{"Stats":{"BlockCount":3}}`)(w, r)
	case "pin/add":
		say(200, `{"Progress":1}`+"\n"+`{"Pins":["`+r.URL.Query().Get("arg")+`"]}`)(w, r)
	case "pin/ls":
		say(500, `{"Message":"path 'x' is not pinned","Code":0,"Type":"error"}`)(w, r)
	default:
		say(404, "404 page not found")(w, r)
	}
}

// serve runs a fake node and opens it.
func serve(t *testing.T, h http.Handler) *ipfs.Adapter {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return openAt(t, srv.URL, deps())
}

func openAt(t *testing.T, api string, d ipfs.Deps) *ipfs.Adapter {
	t.Helper()
	a, err := ipfs.Open(t.Context(), ipfs.Config{Name: "node1", API: api, Token: kuboToken}, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}

func source(data []byte) backend.Source {
	return backend.Source{
		Size: int64(len(data)), From: "a test",
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// export answers dag/export with a CAR.
func export(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

// A put that the node does not do wholly is never taken for one that it did.
func TestPutsThatOnlyLookWell(t *testing.T) {
	c, data := cartest.Random(t, 1, 50)
	_, other := cartest.Random(t, 2, 50)
	pinned := say(200, `{"Keys":{"`+c.String()+`":{"Type":"recursive","Name":"mine"}}}`)
	tests := map[string]struct {
		node fake
		says string
	}{
		"import: pin failed":          {fake{"dag/import": say(200, `{"Root":{"Cid":{"/":"x"},"PinErrorMsg":"block was not found locally"}}`)}, "not found locally"},
		"import: error in trailer":    {fake{"dag/import": breakOff(`{"Stats":{"BlockCount":3}}`, "disk failed")}, "disk failed"},
		"import: error in stream":     {fake{"dag/import": say(200, `{"Message":"it broke","Code":0,"Type":"error"}`)}, "it broke"},
		"import: empty answer":        {fake{"dag/import": say(200, ``)}, "did not say"},
		"import: HTML":                {fake{"dag/import": say(200, `<html>`)}, "can't be read"},
		"import: mismatch":            {fake{"dag/import": say(500, `{"Message":"mismatch in content integrity","Type":"error"}`)}, "mismatch"},
		"read back: nothing":          {fake{"dag/export": export(nil)}, "damaged"},
		"read back: cut":              {fake{"dag/export": export(data[:len(data)/2])}, "damaged"},
		"read back: other":            {fake{"dag/export": export(other)}, "damaged"},
		"read back: error in trailer": {fake{"dag/export": breakOff(string(data[:100]), "walk failed: ipld: could not find x")}, "could not find"},
		"pin: nothing said":           {fake{"dag/export": export(data), "pin/add": say(200, `{"Progress":7}`)}, "did not say"},
		"pin: error in trailer":       {fake{"dag/export": export(data), "pin/add": breakOff(`{"Progress":7}`, "pin: context deadline exceeded")}, "deadline"},
		"pin: refused":                {fake{"dag/export": export(data), "pin/add": say(500, `{"Message":"pin: no","Type":"error"}`)}, "pin: no"},
		"pin: about another":          {fake{"dag/export": export(data), "pin/ls": say(200, `{"Keys":{"`+stranger+`":{"Type":"recursive"}}}`)}, "other content"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := serve(t, tc.node)
			if _, err := a.Put(t.Context(), c, source(data), nil); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want an error that says %q", err, tc.says)
			}
		})
	}
	for name, node := range map[string]fake{
		"not pinned before":       {"dag/export": export(data)},
		"pinned by somebody else": {"dag/export": export(data), "pin/ls": pinned, "pin/add": say(500, `{"Message":"must not be asked","Type":"error"}`)},
	} {
		if _, err := serve(t, node).Put(t.Context(), c, source(data), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswersAreClassified(t *testing.T) {
	tests := map[string]struct {
		h     http.HandlerFunc
		class backend.Class
		says  string
	}{
		"unauthorized": {say(401, "no"), backend.ClassAuth, "API.Authorizations"},
		"forbidden":    {say(403, "403 - Forbidden"), backend.ClassAuth, "token"},
		"gateway":      {say(404, "404 page not found"), backend.ClassConfiguration, "port 5001"},
		"only GET":     {say(405, ""), backend.ClassConfiguration, "port 5001"},
		"proxy":        {say(502, "bad gateway"), backend.ClassNetwork, "proxy"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.invalid/", http.StatusTemporaryRedirect)
		}, backend.ClassConfiguration, "never followed"},
		"TLS is wanted":   {say(400, "Client sent an HTTP request to an HTTPS server.\n"), backend.ClassConfiguration, "https in api_url"},
		"TLS, by nginx":   {say(400, "The plain HTTP request was sent to HTTPS port"), backend.ClassConfiguration, "https in api_url"},
		"page":            {html(501, "<html><h1>Unsupported method</h1>"), backend.ClassConfiguration, "501 Not Implemented; is this the RPC"},
		"disk full":       {say(500, `{"Message":"write: no space left on device","Type":"error"}`), backend.ClassQuota, "room"},
		"other error":     {say(500, `{"Message":"lock","Type":"error"}`), backend.ClassServer, "lock"},
		"plain 500":       {say(500, `panic`), backend.ClassServer, "panic"},
		"not JSON":        {say(200, `hello`), backend.ClassServer, "Kubo"},
		"empty":           {say(200, ``), backend.ClassServer, "empty"},
		"huge":            {say(200, strings.Repeat("x", 3<<20)), backend.ClassServer, "too long"},
		"huge error":      {say(500, strings.Repeat("x", 3<<20)), backend.ClassServer, "…"},
		"without a name":  {say(200, `{}`), backend.ClassServer, "none"},
		"connection lost": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, backend.ClassNetwork, "running"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := serve(t, fake{"id": tc.h}).Check(t.Context())
			if backend.ClassOf(err) != tc.class || err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("class %s, %v; want %s and %q", backend.ClassOf(err), err, tc.class, tc.says)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

// html answers as servers do that speak to browsers.
func html(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// A server for TLS breaks plain connections off, or answers with a word of TLS.
func TestPlainConnectionsToTLSAreToldAlike(t *testing.T) {
	for answer, class := range map[string]backend.Class{"": backend.ClassNetwork, "\x15\x03\x01\x00\x02\x02\x46": backend.ClassConfiguration} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if answer != "" {
					_, _ = c.Read(make([]byte, 4096))
				} // else what was not read makes a reset of the end
				_, _ = io.WriteString(c, answer)
				_ = c.Close()
			}
		}()
		seen := map[string]bool{}
		for range 3 {
			_, err := openAt(t, l.Addr().String(), deps()).Check(t.Context())
			if err == nil || answer != "" && backend.ClassOf(err) != class || !strings.Contains(err.Error(), "https") {
				t.Errorf("%q: class %s, %v", answer, backend.ClassOf(err), err)
			}
			if err != nil && strings.Contains(err.Error(), "->") {
				t.Errorf("it names our own port, which is another one each time: %v", err)
			}
			seen[fmt.Sprint(err)] = true
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = openAt(t, addr, deps()).Check(t.Context())
	if backend.ClassOf(err) != backend.ClassNetwork || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "running") {
		t.Errorf("got %v", err)
	}
}

func TestCertificateThatIsNotTrusted(t *testing.T) {
	srv := httptest.NewUnstartedServer(fake{})
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, err := openAt(t, srv.URL, deps()).Check(t.Context())
	if backend.ClassOf(err) != backend.ClassAuth || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("got %v", err)
	}
	plain := httptest.NewServer(fake{})
	t.Cleanup(plain.Close)
	_, err = openAt(t, strings.Replace(plain.URL, "http:", "https:", 1), deps()).Check(t.Context())
	if backend.ClassOf(err) != backend.ClassConfiguration || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreInNoError(t *testing.T) {
	c, data := cartest.Random(t, 1, 3)
	for _, api := range []string{"", "http://somebody:" + kuboToken + "@"} {
		for name, h := range map[string]http.HandlerFunc{
			"refused": say(403, "no"), "redirected": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) },
			"lost": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "nonsense": say(200, "x"),
		} {
			srv := httptest.NewServer(h)
			t.Cleanup(srv.Close)
			cfg := ipfs.Config{Name: "n", API: srv.URL, Token: kuboToken}
			if api != "" {
				cfg = ipfs.Config{Name: "n", API: strings.Replace(srv.URL, "http://", api, 1)}
			}
			a, err := ipfs.Open(t.Context(), cfg, deps())
			if err != nil {
				t.Fatal(err)
			}
			_, check := a.Check(t.Context())
			_, stat := a.Stat(t.Context(), c)
			_, put := a.Put(t.Context(), c, source(data), nil)
			list := a.List(t.Context(), func(backend.Item) error { return nil })
			for _, err := range []error{check, stat, put, list} {
				if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), kuboToken) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, api := range []string{"http://u:" + kuboToken + "@host:port", "ftp://u:" + kuboToken + "@h", "http://u:" + kuboToken + "\x7f@h"} {
		_, err := ipfs.Open(t.Context(), ipfs.Config{Name: "n", API: api}, deps())
		if err == nil || strings.Contains(err.Error(), kuboToken) {
			t.Errorf("open: %v", err)
		}
	}
}

func TestListingThatBreaksOffIsAnError(t *testing.T) {
	mine := `{"Cid":"` + stranger + `","Name":"ipfs-kit:node1","Type":"recursive"}` + "\n"
	for name, h := range map[string]http.HandlerFunc{
		"trailer":   breakOff(mine+mine, "datastore closed"),
		"in stream": say(200, mine+`{"Message":"datastore closed","Type":"error"}`),
		"nonsense":  say(200, mine+"<html>"),
		"no CID":    say(200, mine+`{"Cid":"zzz"}`),
		"connection": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, mine)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		n := 0
		err := serve(t, fake{"pin/ls": h}).List(t.Context(), func(backend.Item) error { n++; return nil })
		if err == nil || n == 0 {
			t.Errorf("%s: %d listed, %v", name, n, err)
		}
	}
}

func TestRemoveTouchesOnlyOwnPins(t *testing.T) {
	c, _ := cartest.Random(t, 1, 3)
	for name, want := range map[string]bool{"ipfs-kit:node1": true, "ipfs-kit:node2": false, "": false, "holiday": false} {
		asked := false
		a := serve(t, fake{
			"pin/ls": say(200, `{"Keys":{"`+c.String()+`":{"Type":"recursive","Name":"`+name+`"}}}`),
			"pin/rm": func(w http.ResponseWriter, r *http.Request) {
				asked = true
				say(200, `{"Pins":["`+c.String()+`"]}`)(w, r)
			},
		})
		if err := a.Remove(t.Context(), c); err != nil || asked != want {
			t.Errorf("name %q: asked %v, %v", name, asked, err)
		}
	}
}

func TestPinThatWentMeanwhileIsRemoved(t *testing.T) {
	c, _ := cartest.Random(t, 1, 3)
	a := serve(t, fake{
		"pin/ls": say(200, `{"Keys":{"`+c.String()+`":{"Type":"recursive","Name":"ipfs-kit:node1"}}}`),
		"pin/rm": say(500, `{"Message":"not pinned or pinned indirectly","Code":0,"Type":"error"}`),
	})
	if err := a.Remove(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestFullRepositoryIsDegraded(t *testing.T) {
	a := serve(t, fake{
		"id": say(200, `{"ID":"12D3"}`), "version": say(200, `{"Version":"0.43.0"}`),
		"repo/stat": say(200, `{"RepoSize":970,"StorageMax":1000}`),
	})
	h, err := a.Check(t.Context())
	if err != nil || !strings.Contains(h.Degraded, "nearly full") || h.Version != "0.43.0" || h.Usage.UsedBytes != 970 || h.Usage.AvailableBytes != 30 {
		t.Errorf("got %+v %v", h, err)
	}
}

func TestNodeThatIsTooOldForNamesIsDegraded(t *testing.T) {
	for version, want := range map[string]bool{
		"0.26.0": true, "0.9.1": true, "0.27.0": false, "0.43.0-dev": false, "1.0.0": false, "": false, "next": false,
	} {
		a := serve(t, fake{
			"id": say(200, `{"ID":"12D3"}`), "version": say(200, `{"Version":"`+version+`"}`), "repo/stat": say(200, `{"RepoSize":1}`),
		})
		h, err := a.Check(t.Context())
		if err != nil || (h.Degraded != "") != want || h.Usage.AvailableBytes != -1 {
			t.Errorf("%q: %+v %v", version, h, err)
		}
	}
}

func TestGoneFromTheNodeThoughPinnedIsDamage(t *testing.T) {
	c, data := cartest.Random(t, 1, 20)
	pinned := say(200, `{"Keys":{"`+c.String()+`":{"Type":"recursive","Name":"ipfs-kit:node1"}}}`)
	a := serve(t, fake{
		"pin/ls":     pinned,
		"dag/stat":   say(500, `{"Message":"block was not found locally (offline): ipld: could not find x","Type":"error"}`),
		"dag/export": export(data[:300]),
	})
	var corrupt *backend.CorruptError
	if _, err := a.Verify(t.Context(), c); !errors.As(err, &corrupt) || backend.StopsPass(err) {
		t.Errorf("verify: %v", err)
	}
	if _, err := a.DeepVerify(t.Context(), c); !errors.As(err, &corrupt) || backend.StopsPass(err) {
		t.Errorf("deep verify: %v", err)
	}
	if _, err := a.OpenCached(t.Context(), c); !errors.Is(err, backend.ErrNotStored) {
		t.Errorf("open: %v", err)
	}
}

// A node that takes the connection and says nothing is given up after its time
// without progress; one that goes on slowly is not.
func TestTimeWithoutProgress(t *testing.T) {
	c, data := cartest.Random(t, 1, 5)
	synctest.Test(t, func(t *testing.T) {
		d := deps()
		d.Stall, d.ProbeTimeout = time.Minute, 10*time.Second
		silent := make(chan struct{})
		a := pipeNode(t, d, fake{
			"id":       func(_ http.ResponseWriter, _ *http.Request) { <-silent },
			"pin/ls":   func(_ http.ResponseWriter, _ *http.Request) { <-silent },
			"dag/stat": say(200, `{"TotalSize":1}`),
			"dag/export": func(w http.ResponseWriter, _ *http.Request) {
				for _, b := range bytes.SplitAfter(data, []byte{'a'}) {
					time.Sleep(50 * time.Second)
					_, _ = w.Write(b)
					_ = http.NewResponseController(w).Flush()
				}
			},
		})
		for name, tc := range map[string]struct {
			call func() error
			took time.Duration
		}{
			"check": {func() error { _, err := a.Check(t.Context()); return err }, 10 * time.Second},
			"stat":  {func() error { _, err := a.Stat(t.Context(), c); return err }, time.Minute},
		} {
			start := time.Now()
			err := tc.call()
			if backend.ClassOf(err) != backend.ClassNetwork || !strings.Contains(err.Error(), "no progress") || time.Since(start) != tc.took {
				t.Errorf("%s: %v after %s", name, err, time.Since(start))
			}
		}
		start := time.Now()
		r, err := a.OpenCached(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, data) || time.Since(start) < 10*time.Minute {
			t.Errorf("slow: %d of %d bytes, %v after %s", len(got), len(data), err, time.Since(start))
		}
		close(silent)
	})
}

func TestNodeThatStopsTakingACAR(t *testing.T) {
	c, data := cartest.Random(t, 1, 3000)
	synctest.Test(t, func(t *testing.T) {
		d := deps()
		d.Stall = time.Minute
		silent := make(chan struct{})
		a := pipeNode(t, d, fake{"dag/import": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 100000)
			<-silent
		}})
		start := time.Now()
		_, err := a.Put(t.Context(), c, source(data), nil)
		if backend.ClassOf(err) != backend.ClassNetwork || time.Since(start) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		close(silent)
	})
}

// A source that is slow is not the node's fault.
func TestTimeWaitingForTheSourceIsNotTheNodes(t *testing.T) {
	c, data := cartest.Random(t, 1, 50)
	synctest.Test(t, func(t *testing.T) {
		d := deps()
		d.Stall = time.Minute
		a := pipeNode(t, d, fake{"dag/export": export(data)})
		src := source(data)
		src.Open = func(context.Context) (io.ReadCloser, error) {
			slow := iotest.OneByteReader(strings.NewReader(""))
			return io.NopCloser(io.MultiReader(bytes.NewReader(data[:5000]), sleeper{slow}, bytes.NewReader(data[5000:]))), nil
		}
		if _, err := a.Put(t.Context(), c, src, nil); err != nil {
			t.Error(err)
		}
	})
}

type sleeper struct{ io.Reader }

func (s sleeper) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Minute)
	return s.Reader.Read(p)
}

func TestRefusalOfALargeImportIsNotLost(t *testing.T) {
	c, data := cartest.Random(t, 1, 6000)
	a := serve(t, fake{"dag/import": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }})
	for range 20 {
		if _, err := a.Put(t.Context(), c, source(data), nil); backend.ClassOf(err) != backend.ClassAuth {
			t.Fatalf("class %s: %v", backend.ClassOf(err), err)
		}
	}
}

func TestLaneLimitsRequests(t *testing.T) {
	c, _ := cartest.Random(t, 1, 3)
	synctest.Test(t, func(t *testing.T) {
		d := deps()
		d.Stall = time.Hour
		silent := make(chan struct{})
		a := pipeNode(t, d, fake{"pin/ls": func(_ http.ResponseWriter, _ *http.Request) { <-silent }})
		for range 4 { // the lane's limit
			go func() { _, _ = a.Stat(context.Background(), c) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.Stat(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(silent)
		synctest.Wait()
	})
}

func TestEverySpellingOfAnAddress(t *testing.T) {
	srv := httptest.NewServer(fake{"id": say(200, `{"ID":"12D3"}`)})
	t.Cleanup(srv.Close)
	host, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, api := range []string{
		"http://%s:%s", "http://%s:%s/", "http://%s:%s/api/v0", "http://%s:%s/api/v0/", "%s:%s",
		"/ip4/%s/tcp/%s", "/ip4/%s/tcp/%s/http", "/dns4/%s/tcp/%s/",
	} {
		api = fmt.Sprintf(api, host, port)
		if s, err := openAt(t, api, deps()).Sentinel(t.Context()); err != nil || s.ID != "12D3" {
			t.Errorf("%s: %+v %v", api, s, err)
		}
	}
	for _, cfg := range []ipfs.Config{
		{API: "ftp://x"}, {API: "http://"}, {API: "://"}, {API: "/ip4/1.2.3.4"}, {API: "/unix/run/kubo"}, {API: "/ip4/1.2.3.4/udp/1"},
		{API: "/ip4/1.2.3.4/tcp/1/quic"}, {Token: "a", Username: "b"}, {Token: "a\nb"},
		{CAFile: "/nonexistent"}, {CAFile: "/dev/null"}, {CAFile: "ca.pem"}, {Password: "b"}, {Token: "${KUBO_TOKEN}"}, {Username: "a", Password: "$KUBO_PASSWORD"},
	} {
		cfg.Name = "node1"
		_, err := ipfs.Open(t.Context(), cfg, deps())
		if backend.ClassOf(err) != backend.ClassConfiguration || !strings.Contains(err.Error(), "node1") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestUndefinedCIDIsRefused(t *testing.T) {
	if _, err := serve(t, fake{}).Put(t.Context(), cid.Undef, source(nil), nil); err == nil {
		t.Error("no error")
	}
}
