// Package service puts the rooms together: it hosts the four workers and their
// supervision, holds the home's lock, answers the bus, and tells systemd how it
// is. The way of a dirty mark through it: dirtymonitor.go sees it, look.go
// plans, executor.go runs, task_sync.go syncs and clears.
package service
