package ipfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
)

// Put imports the CAR, proving every block and that the DAG is whole on the way,
// reads it back from the node, and pins its root under our name. The import
// itself pins nothing: it would pin every root of the CAR, without a name. A pin
// that somebody else made under another name is enough, and stays theirs.
func (a *Adapter) Put(ctx context.Context, c cid.Cid, src backend.Source, progress func(bytes int64)) (backend.Item, error) {
	if !c.Defined() {
		return backend.Item{}, errors.New("store content: no CID")
	}
	if err := a.importCAR(ctx, c, src, progress); err != nil {
		return backend.Item{}, err
	}
	item, err := a.readBack(ctx, c)
	if err != nil {
		return backend.Item{}, err
	}
	_, err = a.pinned(ctx, c)
	if errors.Is(err, backend.ErrNotStored) {
		err = a.pin(ctx, c)
	}
	if err != nil {
		return backend.Item{}, err
	}
	return item, nil
}

// pin pins what is there, under our name, without asking the network.
func (a *Adapter) pin(ctx context.Context, c cid.Cid) error {
	op := fmt.Sprintf("pin %s", c)
	var pins []string
	err := a.rpc.do(ctx, request{op: op, path: "pin/add", args: url.Values{
		"arg": {c.String()}, "recursive": {"true"}, "name": {a.pinName()}, "offline": {"true"}, "progress": {"true"},
	}}, func(data []byte) error {
		var m struct{ Pins []string }
		if err := json.Unmarshal(data, &m); err != nil {
			return notKubo(op, fmt.Errorf("its answer can't be read: %w", err))
		}
		pins = append(pins, m.Pins...)
		return nil
	})
	if err == nil && len(pins) == 0 {
		err = notKubo(op, errors.New("it did not say that it pinned anything"))
	}
	return err
}

// importCAR sends the CAR. The end of the message is sent only when all of it was proven.
func (a *Adapter) importCAR(ctx context.Context, c cid.Cid, src backend.Source, progress func(int64)) error {
	in, err := src.Open(ctx)
	if err != nil {
		return src.Failed(ctx, err)
	}
	pr, pw := io.Pipe()
	form := multipart.NewWriter(pw)
	verdict := make(chan error, 1)
	go func() {
		err := a.feed(ctx, form, src.Reader(ctx, in), c, progress)
		_ = pw.CloseWithError(err) // never fails; without an error it is the end
		verdict <- err
	}()
	sent := a.sendImport(ctx, c, pr, form.FormDataContentType())
	_ = pr.Close() // ends the feeding if the node did not take all of it
	fed := <-verdict
	if cerr := in.Close(); cerr != nil && fed == nil {
		fed = src.Failed(ctx, cerr)
	}
	// The node's refusal breaks the feeding, and a source's failure breaks the sending: the first cause is told.
	if fed != nil && !errors.Is(fed, io.ErrClosedPipe) {
		return fed
	}
	if sent == nil && fed != nil {
		return notKubo(fmt.Sprintf("import %s", c), errors.New("it answered before it had everything"))
	}
	return sent
}

func (a *Adapter) feed(ctx context.Context, form *multipart.Writer, r io.Reader, c cid.Cid, progress func(int64)) error {
	part, err := form.CreateFormFile("file", "content.car")
	if err != nil {
		return err
	}
	if _, err := carfile.Copy(ctx, &counter{w: part, told: progress}, r, c, a.deps.Limits); err != nil {
		return err
	}
	return form.Close()
}

type counter struct {
	w    io.Writer
	n    int64
	told func(int64)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.told != nil {
		c.told(c.n)
	}
	return n, err
}

func (a *Adapter) sendImport(ctx context.Context, c cid.Cid, body io.Reader, contentType string) error {
	op := fmt.Sprintf("import %s", c)
	blocks := int64(-1)
	err := a.rpc.do(ctx, request{
		op: op, path: "dag/import", body: body, contentType: contentType,
		args: url.Values{"pin-roots": {"false"}, "stats": {"true"}, "allow-big-block": {"true"}},
	}, func(data []byte) error {
		var m struct {
			Root  *struct{ PinErrorMsg string }
			Stats *struct{ BlockCount int64 }
		}
		if err := json.Unmarshal(data, &m); err != nil {
			return notKubo(op, fmt.Errorf("its answer can't be read: %w", err))
		}
		if m.Root != nil && m.Root.PinErrorMsg != "" {
			return &backend.Error{Class: backend.ClassServer, Op: op, Err: &rpcError{Message: shorten(m.Root.PinErrorMsg)}}
		}
		if m.Stats != nil {
			blocks = m.Stats.BlockCount
		}
		return nil
	})
	if err == nil && blocks < 0 {
		err = notKubo(op, errors.New("it did not say what it imported"))
	}
	return err
}
