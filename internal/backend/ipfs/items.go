package ipfs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
)

// pathOf is where content lies, as IPFS names it.
func pathOf(c cid.Cid) string { return "/ipfs/" + c.String() }

// Stat asks for a recursive pin, of whatever name: content that somebody else pinned is held too.
// The size is not known.
func (a *Adapter) Stat(ctx context.Context, c cid.Cid) (backend.Item, error) {
	if _, err := a.pinned(ctx, c); err != nil {
		return backend.Item{}, err
	}
	return backend.Item{CID: c, Size: -1, Path: pathOf(c)}, nil
}

// pinned gives the name of the recursive pin; ErrNotStored when there is none.
func (a *Adapter) pinned(ctx context.Context, c cid.Cid) (name string, err error) {
	var out struct {
		Keys map[string]struct{ Type, Name string }
	}
	op := fmt.Sprintf("look at %s", c)
	err = a.rpc.ask(ctx, request{op: op, path: "pin/ls", args: url.Values{
		"arg": {c.String()}, "type": {"recursive"}, "names": {"true"},
	}}, &out)
	if notPinned(err) {
		return "", fmt.Errorf("%s: %w", op, backend.ErrNotStored)
	}
	if err != nil {
		return "", err
	}
	for key, pin := range out.Keys {
		got, err := cid.Decode(key)
		if err == nil && got.Hash().String() == c.Hash().String() && pin.Type == "recursive" {
			return pin.Name, nil
		}
	}
	return "", notKubo(op, errors.New("it answers about other content"))
}

// Verify asks for the pin, and lets the node walk the whole DAG without its
// network: every block is there. It trusts the node for their content; see
// DeepVerify.
func (a *Adapter) Verify(ctx context.Context, c cid.Cid) (backend.Item, error) {
	if _, err := a.pinned(ctx, c); err != nil {
		return backend.Item{}, err
	}
	item, err := a.dagStat(ctx, c)
	if missing(err) {
		return backend.Item{}, &backend.CorruptError{What: fmt.Sprintf("%s is pinned, but its content", c), Err: err}
	}
	return item, err
}

// dagStat walks the DAG on the node, without its network.
func (a *Adapter) dagStat(ctx context.Context, c cid.Cid) (backend.Item, error) {
	var out struct{ TotalSize int64 }
	// With progress it answers all the time, so that a long walk is no stall.
	err := a.rpc.do(ctx, request{op: fmt.Sprintf("verify %s", c), path: "dag/stat", args: url.Values{
		"arg": {c.String()}, "progress": {"true"}, "offline": {"true"},
	}}, func(data []byte) error { return json.Unmarshal(data, &out) })
	if err != nil {
		return backend.Item{}, err
	}
	return backend.Item{CID: c, Size: out.TotalSize, Path: pathOf(c)}, nil
}

// DeepVerify reads the whole content back and proves it; see carfile.Verify.
func (a *Adapter) DeepVerify(ctx context.Context, c cid.Cid) (backend.Item, error) {
	if _, err := a.pinned(ctx, c); err != nil {
		return backend.Item{}, err
	}
	return a.readBack(ctx, c)
}

// readBack proves what the node has, whether it is pinned or not. A node that
// has not all of it, or has it damaged, ends in a *backend.CorruptError.
func (a *Adapter) readBack(ctx context.Context, c cid.Cid) (backend.Item, error) {
	r, err := a.export(ctx, c)
	var sum carfile.Summary
	if err == nil {
		sum, err = carfile.Verify(ctx, r, c, a.deps.Limits)
		err = errors.Join(err, r.Close())
	}
	var corrupt *backend.CorruptError
	if missing(err) || damaged(err) || errors.As(err, &corrupt) {
		return backend.Item{}, &backend.CorruptError{
			What: fmt.Sprintf("%s on the node, which keeps damaged blocks even when they are imported again (ipfs repo verify --drop removes them),", c), Err: err,
		}
	}
	if err != nil {
		return backend.Item{}, err
	}
	return backend.Item{CID: c, Size: sum.Data, Path: pathOf(c)}, nil
}

// Open reads pinned content back as a CAR.
func (a *Adapter) Open(ctx context.Context, c cid.Cid) (io.ReadCloser, error) {
	if _, err := a.pinned(ctx, c); err != nil {
		return nil, err
	}
	return a.export(ctx, c)
}

// OpenCached reads content back that is all on the node, pinned or not.
func (a *Adapter) OpenCached(ctx context.Context, c cid.Cid) (io.ReadCloser, error) {
	if _, err := a.dagStat(ctx, c); missing(err) {
		return nil, fmt.Errorf("read %s: %w", c, backend.ErrNotStored)
	} else if err != nil {
		return nil, err
	}
	return a.export(ctx, c)
}

func (a *Adapter) export(ctx context.Context, c cid.Cid) (io.ReadCloser, error) {
	s, err := a.rpc.send(ctx, request{op: fmt.Sprintf("read %s", c), path: "dag/export", args: url.Values{
		"arg": {c.String()}, "progress": {"false"}, "offline": {"true"},
	}})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// List gives the pins of our name; those of others are theirs.
func (a *Adapter) List(ctx context.Context, each func(backend.Item) error) error {
	const op = "list pins"
	return a.rpc.do(ctx, request{op: op, path: "pin/ls", args: url.Values{
		"type": {"recursive"}, "names": {"true"}, "stream": {"true"},
	}}, func(data []byte) error {
		var pin struct{ Cid, Name, Type string }
		if err := json.Unmarshal(data, &pin); err != nil {
			return notKubo(op, fmt.Errorf("a line can't be read: %w", err))
		}
		c, err := cid.Decode(pin.Cid)
		if err != nil {
			return notKubo(op, fmt.Errorf("a line has the CID %.100q: %w", pin.Cid, err))
		}
		if pin.Name != a.pinName() {
			return nil
		}
		return each(backend.Item{CID: c, Size: -1, Path: pathOf(c)})
	})
}

// Remove takes the pin away if it has our name; the node's garbage collection
// then may remove the content. Pins of others stay.
func (a *Adapter) Remove(ctx context.Context, c cid.Cid) error {
	name, err := a.pinned(ctx, c)
	if errors.Is(err, backend.ErrNotStored) || err == nil && name != a.pinName() {
		return nil
	}
	if err != nil {
		return err
	}
	var out struct{ Pins []string }
	err = a.rpc.ask(ctx, request{op: fmt.Sprintf("unpin %s", c), path: "pin/rm", args: url.Values{"arg": {c.String()}}}, &out)
	if notPinned(err) {
		return nil
	}
	return err
}
