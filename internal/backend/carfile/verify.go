// Package carfile proves that a CAR holds what its name says: every block is
// hashed, and the DAG is walked from the root, because a CAR that was cut
// between two blocks is still a valid CAR. It reads a stream once, and remembers
// of each block only a short digest.
package carfile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/ipfs/go-cid"
	car "github.com/ipld/go-car/v2"

	"ipfskit.org/intelligent/internal/backend"
)

// Summary describes a CAR that was read to its end.
type Summary struct {
	// Root is the CID that was asked for.
	Root cid.Cid
	// Version of the CAR format, 1 or 2.
	Version int
	// Blocks counts the sections, repeated ones included.
	Blocks int64
	// Bytes is the length of the whole file.
	Bytes int64
	// Data is the length of all blocks without their CIDs, repeated ones included.
	Data int64
	// SHA256 of the whole file in hex.
	SHA256 string
}

// Verify reads a CAR (version 1 or 2) to its end and proves that it holds the
// whole DAG of want, and nothing but blocks whose hashes fit. A CAR that is
// damaged, cut off or incomplete is a *backend.CorruptError; an error of r is
// returned as it is.
func Verify(ctx context.Context, r io.Reader, want cid.Cid, lim Limits) (Summary, error) {
	if !want.Defined() {
		return Summary{}, &backend.CorruptError{What: "the CAR", Err: errors.New("no CID was given to prove it against")}
	}
	lim = lim.withDefaults()
	in := newInput(ctx, r, lim.Bytes)
	s, err := verify(in, want, lim)
	if in.err != nil {
		return Summary{}, in.err
	}
	if err != nil {
		return Summary{}, &backend.CorruptError{What: fmt.Sprintf("the CAR of %s", want), Err: err}
	}
	s.Root, s.Bytes, s.SHA256 = want, in.n, hex.EncodeToString(in.hash.Sum(nil))
	return s, nil
}

// Copy is Verify, writing everything that it reads to dst.
func Copy(ctx context.Context, dst io.Writer, src io.Reader, want cid.Cid, lim Limits) (Summary, error) {
	return Verify(ctx, io.TeeReader(src, dst), want, lim)
}

// input counts and hashes a stream, and keeps the reader's own error apart from what is wrong with its content.
type input struct {
	ctx   context.Context
	r     io.Reader
	n     int64
	limit int64
	hash  hash.Hash
	err   error
}

func newInput(ctx context.Context, r io.Reader, limit int64) *input {
	return &input{ctx: ctx, r: r, limit: limit, hash: sha256.New()}
}

func (in *input) Read(p []byte) (int, error) {
	if in.err == nil {
		in.err = in.ctx.Err()
	}
	if in.err != nil {
		return 0, in.err
	}
	n, err := in.r.Read(p)
	in.hash.Write(p[:n])
	in.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		in.err = err
	}
	if in.n > in.limit {
		return n, fmt.Errorf("longer than %d bytes", in.limit)
	}
	return n, err
}

// bufferSize in bytes: most small CARs fit.
const bufferSize = 64 << 10

// counted is a buffered reader that knows how much was taken from it.
type counted struct {
	*bufio.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counted) ReadByte() (byte, error) {
	b, err := c.Reader.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

func verify(in io.Reader, want cid.Cid, lim Limits) (Summary, error) {
	buf := bufio.NewReaderSize(in, bufferSize)
	version, size, err := payload(buf)
	if err != nil {
		return Summary{}, err
	}
	body := &counted{Reader: buf}
	if version == 2 {
		body.Reader = bufio.NewReaderSize(io.LimitReader(buf, size), bufferSize)
	}
	s, err := walkSections(body, want, lim)
	if err != nil {
		return Summary{}, err
	}
	if version == 2 {
		if body.n != size {
			return Summary{}, fmt.Errorf("cut off: its header says %d bytes of payload, there are %d", size, body.n)
		}
		// What follows is an index, which can be made again; it is read for the length and the checksum.
		if _, err := io.Copy(io.Discard, buf); err != nil {
			return Summary{}, fmt.Errorf("read what follows the payload: %w", err)
		}
	}
	s.Version = version
	return s, nil
}

// payload skips to the beginning of the CARv1 payload and tells the format's
// version, and for version 2 the payload's size.
func payload(buf *bufio.Reader) (version int, size int64, err error) {
	head, err := buf.Peek(car.PragmaSize + car.HeaderSize)
	if !bytes.HasPrefix(head, car.Pragma) {
		return 1, 0, nil // whether it is one is found out when its header is read
	}
	if err != nil {
		return 0, 0, fmt.Errorf("cut off in its header: %w", err)
	}
	var h car.Header
	if _, err := h.ReadFrom(bytes.NewReader(head[car.PragmaSize:])); err != nil {
		return 0, 0, fmt.Errorf("header of version 2: %w", err)
	}
	if int64(h.DataOffset) < int64(len(head)) || int64(h.DataSize) < 0 {
		return 0, 0, fmt.Errorf("header of version 2: payload of %d bytes at %d", h.DataSize, h.DataOffset)
	}
	if _, err := io.CopyN(io.Discard, buf, int64(h.DataOffset)); err != nil {
		return 0, 0, fmt.Errorf("cut off before its payload: %w", err)
	}
	return 2, int64(h.DataSize), nil
}

// walkSections reads a CARv1 payload to its end, and counts what is in it.
func walkSections(body *counted, want cid.Cid, lim Limits) (Summary, error) {
	roots, err := readHeader(body)
	if err != nil {
		return Summary{}, fmt.Errorf("header: %w", err)
	}
	if !hasRoot(roots, want) {
		return Summary{}, fmt.Errorf("incomplete: it is not among its roots %v", roots[:min(len(roots), 3)])
	}
	dag, err := newDAG(want, lim.Blocks)
	if err != nil {
		return Summary{}, err
	}
	var sum Summary
	var section []byte
	for ; ; sum.Blocks++ {
		begin := body.n
		section, err = readSection(body, section, lim.BlockBytes+maxCID)
		if errors.Is(err, io.EOF) {
			return sum, dag.complete()
		}
		var n int
		if err == nil {
			n, err = checkSection(dag, section, lim.BlockBytes)
		}
		if err != nil {
			return Summary{}, fmt.Errorf("section %d at byte %d: %w", sum.Blocks, begin, err)
		}
		sum.Data += int64(n)
	}
}

// checkSection proves a block and gives its length.
func checkSection(d *dag, section []byte, limit int64) (int, error) {
	n, c, err := cid.CidFromBytes(section)
	if err != nil {
		return 0, fmt.Errorf("read CID: %w", err)
	}
	data := section[n:]
	if int64(len(data)) > limit {
		return 0, fmt.Errorf("block %s has %d bytes, at most %d are read", c, len(data), limit)
	}
	if err := checkHash(c, data); err != nil {
		return 0, err
	}
	return len(data), d.add(c, data)
}

func hasRoot(roots []cid.Cid, want cid.Cid) bool {
	for _, r := range roots {
		if sameContent(r, want) {
			return true
		}
	}
	return false
}
