package ipfs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"ipfskit.org/intelligent/internal/backend"
)

// maxMessage is the largest JSON message or error of the node that is read, in bytes.
const maxMessage = 1 << 20

// client speaks Kubo's RPC: POST only, JSON or a stream, errors after the
// beginning of a stream in a trailer.
type client struct {
	base *url.URL
	auth string
	http *http.Client
	deps Deps
	shut atomic.Bool
}

func newClient(base *url.URL, auth string, t http.RoundTripper, deps Deps) *client {
	return &client{base: base, auth: auth, deps: deps, http: &http.Client{
		Transport: t,
		// Kubo never redirects; following one would carry content and secrets elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() {
	c.shut.Store(true)
	c.http.CloseIdleConnections()
}

// request is one call of the RPC.
type request struct {
	op, path    string
	args        url.Values
	body        io.Reader
	contentType string
	probe       bool
}

// stream is an answer that is being read; it ends early when it makes no progress.
type stream struct {
	c      *client
	op     string
	parent context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc
	resp   *http.Response
	timer  *time.Timer
	limit  time.Duration
}

var errStalled = errors.New("no progress")

// send makes a call and gives its answer. It holds a slot of the lane until the answer begins.
func (c *client) send(ctx context.Context, r request) (*stream, error) {
	if c.shut.Load() {
		return nil, fmt.Errorf("%s: %w", r.op, net.ErrClosed)
	}
	release, err := c.deps.Lane.Acquire(ctx, r.op, r.probe)
	if err != nil {
		return nil, err
	}
	defer release()
	limit := c.deps.Stall
	if r.probe {
		limit = c.deps.ProbeTimeout
	}
	reqCtx, cancel := context.WithCancelCause(ctx)
	s := &stream{c: c, op: r.op, parent: ctx, ctx: reqCtx, cancel: cancel, limit: limit}
	s.timer = c.deps.Clock.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %s", errStalled, limit)) })
	if err := s.begin(r); err != nil {
		s.timer.Stop()
		cancel(nil)
		return nil, err
	}
	return s, nil
}

func (s *stream) begin(r request) error {
	u := *s.c.base
	u.Path += "/api/v0/" + r.path
	u.RawQuery = r.args.Encode()
	body := r.body
	if body != nil {
		body = &progressReader{r: body, s: s}
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, u.String(), body)
	if err != nil {
		return fmt.Errorf("%s: %w", s.op, err)
	}
	req.Header.Set("User-Agent", "ipfs-kit-intelligent")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
		// A refusal then comes before the content is sent, and is not lost in a connection that breaks.
		req.Header.Set("Expect", "100-continue")
	}
	if s.c.auth != "" {
		req.Header.Set("Authorization", s.c.auth)
	}
	resp, err := s.c.http.Do(req)
	if err != nil {
		return s.transportError(err)
	}
	s.resp = resp
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err != nil {
		return s.transportError(err)
	}
	return s.statusError(resp, text)
}

// progressReader notes that the node takes what is sent to it. Waiting for the
// source is not the node's time.
type progressReader struct {
	r io.Reader
	s *stream
}

func (p *progressReader) Read(b []byte) (int, error) {
	p.s.timer.Stop()
	n, err := p.r.Read(b)
	p.s.timer.Reset(p.s.limit)
	return n, err
}

// Read reads the answer. An error in the trailer takes the place of io.EOF.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.resp.Body.Read(p)
	if n > 0 {
		s.timer.Reset(s.limit)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		if msg := s.resp.Trailer.Get("X-Stream-Error"); msg != "" {
			return n, s.rpcError(msg)
		}
		return n, io.EOF
	default:
		return n, s.transportError(err)
	}
}

// Close ends the call.
func (s *stream) Close() error {
	s.timer.Stop()
	s.cancel(nil)
	return s.resp.Body.Close()
}

// each reads a stream of JSON messages to its end. An answer that breaks off is an error.
func (s *stream) each(f func(data []byte) error) error {
	sc := bufio.NewScanner(s)
	sc.Buffer(make([]byte, 0, 4096), maxMessage)
	for sc.Scan() {
		line := bytes.TrimSpace(sc.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := s.errorMessage(line); err != nil {
			return err
		}
		if err := f(line); err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("%s: %w", s.op, err)
	}
	return nil
}

// errorMessage finds an error among the messages of a stream, where older nodes put it.
func (s *stream) errorMessage(line []byte) error {
	var e struct{ Message, Type string }
	if json.Unmarshal(line, &e) == nil && e.Type == "error" && e.Message != "" {
		return s.rpcError(e.Message)
	}
	return nil
}

// do makes a call that answers with messages, and gives each to f.
func (c *client) do(ctx context.Context, r request, f func(data []byte) error) (err error) {
	s, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.each(f)
}

// ask makes a call that answers with one message.
func (c *client) ask(ctx context.Context, r request, out any) error {
	n := 0
	err := c.do(ctx, r, func(data []byte) error {
		n++
		if err := json.Unmarshal(data, out); err != nil {
			return notKubo(r.op, fmt.Errorf("its answer can't be read: %w", err))
		}
		return nil
	})
	if err == nil && n == 0 {
		err = notKubo(r.op, errors.New("its answer is empty"))
	}
	return err
}

func notKubo(op string, err error) error {
	return &backend.Error{
		Class: backend.ClassServer, Op: op, Err: err,
		Hint: hintNode,
	}
}
