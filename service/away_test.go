package service

import (
	"os"
	"testing"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/fsys/faulty"
	"ipfskit.org/intelligent/internal/status"
)

// A home that goes away for a while, as a disk does that is mounted anew, takes no request of a person with it.
func TestWhatWasAskedForGoesOnWhenTheHomeIsBack(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	held, let := make(chan struct{}, 1), make(chan struct{})
	w.o.WrapBackendRoot = func(r fsys.Root) fsys.Root {
		return faulty.Wrap(r, func(op, name string) error {
			if op == "readdir" && name == "cars" {
				select {
				case held <- struct{}{}:
				default:
				}
				<-let
			}
			return nil
		})
	}
	w.start()
	w.until("the home", func() bool { return w.s.Manager().State == status.StateRunning })
	ids, err := w.s.Sync(t.Context(), []string{"nas"}, true)
	if err != nil {
		t.Fatal(err)
	}
	state := func() string { task, _ := w.s.Task(ids[0]); return task.State }
	<-held
	defer func() {
		select {
		case <-let:
		default:
			close(let)
		}
	}()
	away := w.home + ".away"
	if err := os.Rename(w.home, away); err != nil {
		t.Fatal(err)
	}
	w.until("the task to be let go", func() bool { return state() != status.TaskRunning })
	if got := state(); got != status.TaskQueued {
		t.Fatalf("while the home is away the task is %s", got)
	}
	close(let)
	if err := os.Rename(away, w.home); err != nil {
		t.Fatal(err)
	}
	w.until("the task's end", func() bool { return state() == status.TaskDone })
}
