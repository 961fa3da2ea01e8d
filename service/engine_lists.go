package service

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"ipfskit.org/intelligent/internal/status"
)

// A cursor is what its page ended with, behind a word for the list: a cursor of another list is refused.
const (
	backendCursor = "backend:"
	taskCursor    = "task:"
	errorCursor   = "error:"
)

// defaultPage and maxPage bound the rows of a page: 0 is the default, and more than the most is the most.
const (
	defaultPage = 100
	maxPage     = 1000
)

func pageLimit(n int) int {
	if n <= 0 {
		return defaultPage
	}
	return min(n, maxPage)
}

// afterCursor takes the word off a cursor; the empty one begins a list.
func afterCursor(cursor, word string) (string, error) {
	rest, ok := strings.CutPrefix(cursor, word)
	if !ok && cursor != "" {
		return "", badCursor(cursor)
	}
	return rest, nil
}

func badCursor(cursor string) error {
	return status.Errorf(status.InvalidArgument, "cursor %q is not one that this list gave; leave it out to begin anew", cursor)
}

// Backends pages in the order of names. The cursor is the last name of a page:
// whatever comes and goes between two pages, each backend is given at most once.
func (s *Service) Backends(q status.BackendQuery) (page []status.Backend, cursor string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := pageLimit(q.Limit)
	rest, err := afterCursor(q.Cursor, backendCursor)
	if err != nil {
		return nil, "", err
	}
	if q.Cursor, err = url.PathUnescape(rest); err != nil {
		return nil, "", badCursor(backendCursor + rest)
	}
	err = s.eachBackend(q, func(e *entry) bool {
		if len(page) == limit {
			cursor = backendCursor + url.PathEscape(page[limit-1].Name) // names of files need not be UTF-8, which the bus takes alone
			return false
		}
		page = append(page, s.backend(e))
		return true
	})
	return page, cursor, err
}

// eachBackend calls each for the backends that a query selects, in the order of
// names, until it says false. A name that is asked for and not there is an error. The caller holds mu.
func (s *Service) eachBackend(q status.BackendQuery, each func(*entry) bool) error {
	if !slices.Contains(backendStates, q.State) {
		return status.Errorf(status.InvalidArgument, "state %q is none of: %s", q.State, strings.Join(backendStates[1:], ", "))
	}
	var names []string
	switch {
	case q.Names != nil:
		names = slices.Compact(slices.Sorted(slices.Values(q.Names)))
	case s.cat != nil:
		names = s.cat.Names()
	}
	at, found := slices.BinarySearch(names, q.Cursor)
	if found && q.Cursor != "" {
		at++ // the cursor is the last name of the page before
	}
	every := q.State == "" && q.Type == "" && q.Dirty == nil
	for _, n := range names[at:] {
		e, ok := s.entries[n]
		if !ok || !e.counted.counted {
			if q.Names != nil {
				return noBackend(n)
			}
			continue
		}
		if (every || matches(s.backend(e), q)) && !each(e) {
			return nil
		}
	}
	return nil
}

var backendStates = []string{"", status.HealthUnknown, status.HealthHealthy, status.HealthDegraded, status.HealthUnhealthy, status.HealthMisconfigured,
	"dirty", "clean", "blocked", "paused"}

func matches(b status.Backend, q status.BackendQuery) bool {
	switch q.State {
	case "":
	case "dirty":
		if !b.Dirty {
			return false
		}
	case "clean":
		if b.Dirty {
			return false
		}
	case "blocked":
		if b.Blocked == "" {
			return false
		}
	case "paused":
		if !b.Paused {
			return false
		}
	default:
		if b.Health != q.State {
			return false
		}
	}
	return (q.Type == "" || q.Type == b.Type) && (q.Dirty == nil || *q.Dirty == b.Dirty)
}

func noBackend(name string) error {
	return status.Errorf(status.NoSuchBackend, "there is no backend %q; list them with: ipfs-kit-intelligent backends", name)
}

// Tasks pages live tasks and those that ended, newest first. Ended ones come from the state database.
// A task keeps its id, so that none is given twice when it ends between two pages.
func (s *Service) Tasks(q status.TaskQuery) (page []status.Task, cursor string, err error) {
	rest, err := afterCursor(q.Cursor, taskCursor)
	if err != nil {
		return nil, "", err
	}
	before := uint64(1) << 62
	if rest != "" {
		if before, err = strconv.ParseUint(rest, 10, 62); err != nil {
			return nil, "", badCursor(q.Cursor)
		}
	}
	if q.State != "" && !slices.Contains(taskStates, q.State) {
		return nil, "", status.Errorf(status.InvalidArgument, "state %q is none of: %s", q.State, strings.Join(taskStates, ", "))
	}
	limit := pageLimit(q.Limit)
	page = s.liveTasks(q, before, limit+1)
	q.Limit, q.Cursor = limit+1, strconv.FormatUint(before, 10)
	s.db.Flush()
	old, _, err := s.db.Tasks(s.background(), q)
	if err != nil {
		return nil, "", err
	}
	page = append(page, old...)
	slices.SortStableFunc(page, func(a, b status.Task) int { return cmp.Compare(b.ID, a.ID) })
	page = slices.CompactFunc(page, func(a, b status.Task) bool { return a.ID == b.ID })
	if len(page) > limit {
		page = page[:limit]
		cursor = taskCursor + strconv.FormatUint(page[limit-1].ID, 10)
	}
	if len(page) == 0 && q.Backend != "" && rest == "" { // one that is no backend any more may have tasks still
		if _, ok := s.Backend(q.Backend); !ok {
			return nil, "", noBackend(q.Backend)
		}
	}
	return page, cursor, nil
}

var taskStates = []string{status.TaskQueued, status.TaskRunning, status.TaskWaitingRetry, status.TaskBlocked, status.TaskDone, status.TaskPartial,
	status.TaskFailed, status.TaskCancelled}

// liveTasks lists the newest that a query selects, below an id.
func (s *Service) liveTasks(q status.TaskQuery, before uint64, limit int) (page []status.Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*task
	for _, t := range s.tasks.byID {
		if t.live() && t.ID < before && (q.State == "" || q.State == t.State) && (q.Backend == "" || q.Backend == t.Backend) && !t.Created.Before(q.Since) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *task) int { return cmp.Compare(b.ID, a.ID) })
	for _, t := range found[:min(limit, len(found))] {
		page = append(page, t.copyOf())
	}
	return page
}

// BusTasks are the ids of the tasks that are objects on the bus, in order: live ones, and those that ended less than five minutes ago.
func (s *Service) BusTasks() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.tasks.byID))
}

// Errors pages what went wrong, in the order in which it was seen first, newest first: what comes again does not move.
func (s *Service) Errors(q status.ErrorQuery) (page []status.ErrorEntry, cursor string, err error) {
	rest, err := afterCursor(q.Cursor, errorCursor)
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []placedError
	for name, list := range s.errs {
		if q.Backend == "" || q.Backend == name {
			for _, e := range list {
				all = append(all, placedError{placeOf(e), e})
			}
		}
	}
	if e, ok := s.entries[q.Backend]; q.Backend != "" && len(all) == 0 && (!ok || !e.counted.counted) {
		return nil, "", noBackend(q.Backend)
	}
	slices.SortFunc(all, func(a, b placedError) int { return strings.Compare(b.place, a.place) })
	at := 0
	if rest != "" {
		if len(rest) != len(placeOf(status.ErrorEntry{})) {
			return nil, "", badCursor(q.Cursor)
		}
		at, _ = slices.BinarySearchFunc(all, rest, func(e placedError, last string) int {
			if e.place >= last {
				return -1
			}
			return 1
		})
	}
	limit := pageLimit(q.Limit)
	for _, e := range all[at:] {
		if len(page) == limit {
			return page, errorCursor + placeOf(page[limit-1]), nil
		}
		page = append(page, e.ErrorEntry)
	}
	return page, "", nil
}

// placedError is an error with its place in the list.
type placedError struct {
	place string
	status.ErrorEntry
}

// placeOf never changes while an error is known: when it was seen first, and what it is.
func placeOf(e status.ErrorEntry) string {
	sum := sha256.Sum256([]byte(e.Backend + "\x00" + e.Class + "\x00" + e.Message))
	return fmt.Sprintf("%016x-%s", max(e.First.UnixMicro(), 0), hex.EncodeToString(sum[:8]))
}
