// Package config is the service's own configuration: files with defaults for
// every key. A key that is not known is a warning with the nearest one that is;
// a wrong value is an error with file, line, key and what is allowed.
package config

import (
	"time"

	"ipfskit.org/intelligent/internal/health"
	"ipfskit.org/intelligent/internal/plan"
)

// Config is the whole configuration. Default gives every value.
type Config struct {
	// Metadata is how often registries and configurations are read again though nothing was heard.
	Metadata time.Duration
	// Dirty is how often all dirty marks are looked at though nothing was heard.
	Dirty time.Duration
	// HealthTick is how often it is looked whose health check is due.
	HealthTick time.Duration
	// Settle is how long a file that can't be parsed may be in the middle of being written.
	Settle time.Duration
	// Tasks is how many run at once.
	Tasks int
	// BusBackends is how many backends are objects of the bus from the start.
	BusBackends int
	// Watches is how many folders are watched at most; 0: what the kernel allows.
	Watches int
	// Aging is the wait that raises a task by one priority.
	Aging time.Duration
	// Stall is the time without progress after which a transfer is given up.
	Stall time.Duration
	// Plan are the planner's figures.
	Plan plan.Rules
	// Health are the figures of health.
	Health health.Rules
	// Backup is how backups are made.
	Backup Backup
	// Sources of content, in the order in which they are asked: SourceHome, SourceBackends.
	Sources []string
	// LogLevel is err, warning, info or debug.
	LogLevel string
	// HistoryDays is for how many days with records history is kept.
	HistoryDays int
	// Hang is how long a worker may make no progress.
	Hang time.Duration
	// Grace is how long a worker may take to end.
	Grace time.Duration
	// Abandoned is how many workers may ignore their end before systemd must restart the service.
	Abandoned int
	// RemoveShare is how much of a backend a sync may remove without a person's word, in percent.
	RemoveShare int

	priorities map[plan.Cause]*int
	// from is the file and line of each key that a file sets.
	from map[string]string
}

// Backup is how backups are made.
type Backup struct {
	// Enabled is whether backups are made.
	Enabled bool
	// Targets is how many filesystem backends are chosen where none says backup: true.
	Targets int
	// KeepLast, KeepDaily, KeepWeekly and KeepMonthly are what retention keeps; never below KeepLast complete ones.
	KeepLast, KeepDaily, KeepWeekly, KeepMonthly int
}

// The sources of content.
const (
	SourceHome     = "home"     // CARs in the home
	SourceBackends = "backends" // other backends that have it
)

// Default is what counts where no file says otherwise.
func Default() *Config {
	c := &Config{
		Metadata: time.Minute, Dirty: 15 * time.Second, HealthTick: 3 * time.Minute, Settle: 2 * time.Second,
		Tasks: 6, BusBackends: 1000, Aging: time.Minute, Stall: 5 * time.Minute,
		Plan: plan.DefaultRules(), Health: health.DefaultRules(),
		Backup:  Backup{Enabled: true, Targets: 2, KeepLast: 3, KeepDaily: 7, KeepWeekly: 4, KeepMonthly: 6},
		Sources: []string{SourceHome, SourceBackends}, LogLevel: "info", HistoryDays: 90,
		Hang: time.Minute, Grace: 2 * time.Second, Abandoned: 3, RemoveShare: 10,
		priorities: map[plan.Cause]*int{}, from: map[string]string{},
	}
	for cause, p := range c.Plan.Priority {
		n := int(p)
		c.priorities[cause] = &n
	}
	return c
}

// finish puts what was read where it is used.
func (c *Config) finish() {
	for cause, n := range c.priorities {
		c.Plan.Priority[cause] = uint8(*n) //nolint:gosec // 1 to 10
	}
}
