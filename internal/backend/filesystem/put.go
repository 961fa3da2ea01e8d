package filesystem

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/carfile"
	"ipfskit.org/intelligent/internal/human"
)

// Put copies the CAR under a temporary name, proving every block and that the
// DAG is whole on the way, reads it back from there, and publishes it by a
// rename. What was stored before under the CID is replaced. With records alone
// only the record is written, and src is not read.
func (a *Adapter) Put(ctx context.Context, c cid.Cid, src backend.Source, progress func(bytes int64)) (backend.Item, error) {
	op := fmt.Sprintf("store %s", c)
	if !c.Defined() {
		return backend.Item{}, fmt.Errorf("%s: %w", op, errors.New("no CID"))
	}
	if !a.keepsCARs() {
		item := backend.Item{CID: c, Size: src.Size, Path: a.path(pinName(c))}
		return item, a.classify(op, a.putRecord(ctx, item))
	}
	if err := a.checkRoom(ctx, op, src.Size); err != nil {
		return backend.Item{}, err
	}
	item, err := a.putCAR(ctx, c, src, progress)
	if err == nil {
		err = a.putRecord(ctx, item)
	}
	if err != nil {
		return backend.Item{}, a.withRoom(a.classify(op, err))
	}
	return item, nil
}

func (a *Adapter) putCAR(ctx context.Context, c cid.Cid, src backend.Source, progress func(int64)) (backend.Item, error) {
	in, err := src.Open(ctx)
	if err != nil {
		return backend.Item{}, src.Failed(ctx, err)
	}
	t, err := a.newTemp(ctx, carName(c), src.Size, progress)
	if err != nil {
		return backend.Item{}, errors.Join(err, in.Close())
	}
	sum, err := carfile.Copy(ctx, t, src.Reader(ctx, in), c, a.deps.Limits)
	if cerr := in.Close(); err == nil && cerr != nil {
		err = src.Failed(ctx, cerr)
	}
	if err != nil {
		t.discard()
		return backend.Item{}, err
	}
	if err := t.publish(sum.SHA256); err != nil {
		return backend.Item{}, err
	}
	return backend.Item{CID: c, Size: sum.Bytes, SHA256: sum.SHA256, Path: a.path(carName(c))}, nil
}

// reserve in bytes stays free: a full disk hurts more than this backend.
const reserve = 1 << 20

// checkRoom refuses what can't fit before the disk is filled with it.
func (a *Adapter) checkRoom(ctx context.Context, op string, size int64) error {
	if size <= 0 {
		return nil
	}
	u, err := a.statfs(ctx, false)
	if err != nil {
		return a.classify(op, err)
	}
	if need := uint64(size) + reserve; u.AvailableBytes < need {
		return &backend.Error{
			Class: backend.ClassQuota, Op: op, Hint: hintRoom,
			Err: fmt.Errorf("%s are needed, %s are free below %s", human.Bytes(need), human.Bytes(u.AvailableBytes), a.cfg.Path),
		}
	}
	return nil
}

// withRoom adds to an error of a full disk how much room there is.
func (a *Adapter) withRoom(err error) error {
	var e *backend.Error
	if !errors.As(err, &e) || e.Class != backend.ClassQuota {
		return err
	}
	u, uerr := a.statfs(context.Background(), false)
	if uerr != nil {
		return err
	}
	free := human.Bytes(u.AvailableBytes) + " are free"
	if u.TotalInodes > 0 && u.AvailableInodes == 0 {
		free = "no inode is free"
	}
	return &backend.Error{Class: e.Class, Op: e.Op, Hint: e.Hint, Err: fmt.Errorf("%w (%s)", e.Err, free)}
}
