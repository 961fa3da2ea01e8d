package history

import (
	"slices"

	"ipfskit.org/intelligent/internal/status"
)

// kind tells samples and sums apart, as a small number on disk: checks by the
// task that proved them, tasks by their kind, and marks.
type kind uint8

// taskKinds give kinds their numbers: only appended to, never changed.
var taskKinds = []string{"", status.KindHealthCheck, status.KindPinSync, status.KindBackupBuckets, status.KindBackupMetadata,
	status.KindVerify, status.KindRestore, status.KindCleanup}

const (
	firstCheck kind = 0
	firstTask  kind = 100
	kindMark   kind = 200
	lastKind   kind = 255
)

func checkBy(task string) kind { return firstCheck + number(task) }
func taskOf(task string) kind  { return firstTask + number(task) }

func number(task string) kind {
	return kind(max(slices.Index(taskKinds, task), 0)) //nolint:gosec // a handful
}

// task names the kind of task that a kind is about.
func (k kind) task() string {
	n := int(k)
	if k >= firstTask {
		n -= int(firstTask)
	}
	if n < len(taskKinds) {
		return taskKinds[n]
	}
	return ""
}

// kinds gives the kinds that lines of one subject come from; lo > hi for none.
func kinds(what string) (lo, hi kind) {
	switch what {
	case "":
		return firstCheck, lastKind
	case status.HistoryChecks:
		return firstCheck, firstTask - 1
	case status.HistoryTasks:
		return firstTask, kindMark - 1
	case status.HistoryTransitions:
		return kindMark, kindMark
	}
	return 1, 0
}
