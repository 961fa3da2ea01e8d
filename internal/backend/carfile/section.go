package carfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
)

// readSection reads a length and that many bytes into buf, which it gives back
// grown. io.EOF means that the stream ended cleanly before the length; go-car's
// own reader also says so when it ended just behind it.
func readSection(r *counted, buf []byte, limit int64) ([]byte, error) {
	begin := r.n
	size, err := binary.ReadUvarint(r)
	switch {
	case errors.Is(err, io.EOF) && r.n == begin:
		return buf, io.EOF
	case err != nil:
		return buf, cutOff(err)
	case size == 0:
		return buf, errors.New("is empty")
	case size > uint64(limit):
		return buf, fmt.Errorf("is %d bytes long, at most %d are read", size, limit)
	}
	// The length may be a lie: room is made as the bytes come.
	buf = buf[:0]
	for uint64(len(buf)) < size {
		n := min(int(size)-len(buf), max(1<<20, len(buf)))
		buf = slices.Grow(buf, n)
		part := buf[len(buf) : len(buf)+n]
		if _, err := io.ReadFull(r, part); err != nil {
			return buf, cutOff(err)
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// cutOff says what the end of a stream means in the middle of a section; it is never io.EOF.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("cut off: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// readHeader reads the header of a CARv1 and gives its roots.
func readHeader(r *counted) ([]cid.Cid, error) {
	head, err := readSection(r, nil, maxHeader)
	if err != nil {
		return nil, cutOff(err)
	}
	nb := basicnode.Prototype.Map.NewBuilder()
	if err := (dagcbor.DecodeOptions{AllowLinks: true}).Decode(nb, bytes.NewReader(head)); err != nil {
		return nil, fmt.Errorf("not a CAR: %w", err)
	}
	n := nb.Build()
	v, err := n.LookupByString("version")
	if err != nil {
		return nil, fmt.Errorf("not a CAR: %w", err)
	}
	if version, err := v.AsInt(); err != nil || version != 1 {
		return nil, fmt.Errorf("version %d is not known", version)
	}
	list, err := n.LookupByString("roots")
	if err != nil {
		return nil, fmt.Errorf("not a CAR: %w", err)
	}
	return readRoots(list)
}

func readRoots(list datamodel.Node) ([]cid.Cid, error) {
	if list.Kind() != datamodel.Kind_List {
		return nil, fmt.Errorf("roots are a %s", list.Kind())
	}
	var roots []cid.Cid
	for it := list.ListIterator(); !it.Done(); {
		_, n, err := it.Next()
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		l, err := n.AsLink()
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		if cl, ok := l.(cidlink.Link); ok {
			roots = append(roots, cl.Cid)
		}
	}
	return roots, nil
}
