//go:build faults

package service

import (
	"errors"
	"os"
	"strings"
)

// injected makes one worker misbehave, as the environment says, for tests of a
// real service under a real systemd: IPFSKIT_FAULT=hang:dirty_monitor.
// Once: only while the file IPFSKIT_FAULT_ONCE does not exist, which is made then.
func injected() func(worker string) error {
	kind, worker, _ := strings.Cut(os.Getenv("IPFSKIT_FAULT"), ":")
	return func(w string) error {
		if kind == "" || w != worker {
			return nil
		}
		if once := os.Getenv("IPFSKIT_FAULT_ONCE"); once != "" {
			f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return nil
			}
			f.Close() //nolint:errcheck // it is empty
		}
		switch kind {
		case "hang":
			select {} // ignores its end
		case "panic":
			panic("a fault that was asked for")
		}
		return errors.New("a fault that was asked for")
	}
}
