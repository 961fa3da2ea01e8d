package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
)

// state looks at the service's own database. While a service runs the database is
// in use, and the service itself says what is wrong with it.
func (v *visit) state(ctx context.Context) {
	if v.System {
		return
	}
	file := filepath.Join(v.Paths.State, "state.db")
	if kept := statedb.Aside(file); len(kept) > 0 {
		v.add("state-kept-aside", status.SeverityInfo, file, "the service's own database was damaged once, and a new one was begun",
			"requests and history of before are in "+kept[len(kept)-1], "nothing; remove it when nobody wants to look at it: rm "+human.Shell(kept[len(kept)-1]))
	}
	if v.Service != nil {
		return
	}
	for _, path := range []string{v.Paths.State, file} {
		err := unix.Access(path, unix.W_OK)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			v.add("state-not-writable", status.SeverityError, path, "the service's own state can't be written: it does not start", err.Error(), v.allow(err, path))
			return
		}
	}
	_, err := bounded(ctx, v.Clock, cmp.Or(v.Read, readLimit), "read "+file, func() (struct{}, error) { return struct{}{}, statedb.Check(ctx, file) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	if errors.Is(err, statedb.ErrNewer) {
		v.add("state-newer", status.SeverityError, file, "the service's own state is of a newer version: it does not start", err.Error(),
			"use that version: which -a ipfs-kit-intelligent; or begin anew, without requests and history of before: mv "+human.Shell(file)+" "+human.Shell(file+".newer"))
		return
	}
	v.add("state-damaged", status.SeverityWarning, file, "the service's own database is damaged", err.Error(),
		"nothing is lost of the home: the next start keeps it aside and begins a new one; requests and history of before are gone then")
}
