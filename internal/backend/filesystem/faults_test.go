package filesystem_test

import (
	"strings"
	"sync"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
)

// faults stands before a folder's system calls: hook is asked before each of
// them, may wait as a dead mount does, and its error takes the call's place.
type faults struct {
	mu   sync.Mutex
	hook func(op, name string) error
	ops  []string
}

func (f *faults) set(hook func(op, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *faults) before(op, name string) error {
	f.mu.Lock()
	f.ops = append(f.ops, op+" "+name)
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op, name)
}

// count tells how many calls began with a word, and forgets all.
func (f *faults) count(op string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.ops {
		if strings.HasPrefix(o, op+" ") {
			n++
		}
	}
	return n
}

func (f *faults) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops = nil
}

func (f *faults) wrap(r fsys.Root) fsys.Root { return faulty.Wrap(r, f.before) }
