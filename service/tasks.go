package service

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/status"
)

// forgetAfter is how long a finished task stays on the bus.
const forgetAfter = 5 * time.Minute

// endedTasks is the wake for those that leave the bus.
const endedTasks = "\x00tasks"

// maxLog bounds the lines that a task keeps.
const maxLog = 100

// task is one piece of work that is wanted, runs, or has just ended. It is guarded by Service.mu.
type task struct {
	status.Task
	asked bool
	// cancel is set while it runs.
	cancel context.CancelCauseFunc
}

func (t *task) live() bool { return t.Finished.IsZero() }

func (t *task) logf(now time.Time, line string) {
	if len(t.Log) >= maxLog {
		t.Log = slices.Delete(t.Log, 0, len(t.Log)-maxLog+1)
	}
	t.Log = append(slices.Clip(t.Log), now.UTC().Format(time.RFC3339)+" "+line)
}

// copyOf is what leaves the engine: nothing in it changes any more.
func (t *task) copyOf() status.Task {
	c := t.Task
	c.Cancelable = t.live()
	return c
}

// taskTable holds the live tasks and those that ended less than five minutes ago. It is guarded by Service.mu.
type taskTable struct {
	byID map[uint64]*task
	// ended is in the order of their ends.
	ended []*task
	// counts of live tasks by state.
	active, queued uint64
}

func newTaskTable() taskTable { return taskTable{byID: map[uint64]*task{}} }

// setState keeps the counts right.
func (tt *taskTable) setState(t *task, state string) {
	tt.count(t.State, ^uint64(0))
	t.State = state
	tt.count(state, 1)
}

func (tt *taskTable) count(state string, n uint64) {
	switch state {
	case status.TaskRunning:
		tt.active += n
	case status.TaskQueued, status.TaskWaitingRetry, status.TaskBlocked:
		tt.queued += n
	}
}

// running copies the tasks that run, in the order of their ids.
func (tt *taskTable) running() (out []status.Task) {
	if tt.active == 0 {
		return nil
	}
	for _, t := range tt.byID {
		if t.State == status.TaskRunning {
			out = append(out, t.copyOf())
		}
	}
	slices.SortFunc(out, func(a, b status.Task) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// forget drops what ended before the time given, and says what that was.
func (tt *taskTable) forget(before time.Time) []*task {
	n := 0
	for n < len(tt.ended) && !tt.ended[n].Finished.After(before) {
		delete(tt.byID, tt.ended[n].ID)
		n++
	}
	gone := slices.Clone(tt.ended[:n])
	tt.ended = slices.Delete(tt.ended, 0, n)
	return gone
}
