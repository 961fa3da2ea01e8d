package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"ipfskit.org/intelligent/internal/human"
)

// proven passes content on and ends well only if it is what it should be.
type proven struct {
	r    io.Reader
	h    hash.Hash
	name string
	sum  string
	left int64
}

func newProven(r io.Reader, name, sum string, size int64) *proven {
	return &proven{r: r, h: sha256.New(), name: name, sum: sum, left: size}
}

// differsError says that the content is not what it should be; it is ErrChanging.
type differsError struct{ name, why string }

func (e *differsError) Error() string { return e.name + ": " + e.why }

func (e *differsError) Is(target error) bool { return target == ErrChanging } //nolint:errorlint // that is what Is is for

func (p *proven) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.left -= int64(n)
	p.h.Write(b[:n])
	switch {
	case p.left < 0:
		return 0, &differsError{p.name, "it is longer than it was"}
	case p.left > 0 && errors.Is(err, io.EOF):
		return 0, &differsError{p.name, fmt.Sprintf("it is %s shorter than it was", human.Bytes(p.left))}
	case p.left == 0 && (n > 0 || errors.Is(err, io.EOF)): // also before a reader that knows the size stops
		if got := hex.EncodeToString(p.h.Sum(nil)); got != p.sum {
			return 0, &differsError{p.name, fmt.Sprintf("its SHA-256 is %s, it should be %s", got, p.sum)}
		}
	}
	return n, err
}
