package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// scratchPrefix begins the names of folders that are used for a moment, in the folder of the own state.
const scratchPrefix = "scratch-"

// scratchAge is how old a folder is that its maker has certainly forgotten: a crash left it. One that is
// younger may be in use by a service of another home.
const scratchAge = 24 * time.Hour

// makeScratch makes an empty folder; who asks for it removes it.
func makeScratch(state string) (string, error) {
	dir, err := os.MkdirTemp(state, scratchPrefix)
	if err != nil {
		return "", fmt.Errorf("make a scratch folder: %w", err)
	}
	return dir, nil
}

// sweepScratch removes the folders that crashes have left.
func sweepScratch(state string, now time.Time) (err error) {
	list, err := os.ReadDir(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, d := range list {
		if !d.IsDir() || !strings.HasPrefix(d.Name(), scratchPrefix) {
			continue
		}
		if fi, e := d.Info(); e == nil && now.Sub(fi.ModTime()) > scratchAge {
			err = errors.Join(err, os.RemoveAll(filepath.Join(state, d.Name())))
		}
	}
	return err
}
