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
	Metadata, Dirty, HealthTick time.Duration
	Settle                      time.Duration
	Tasks, BusBackends, Watches int
	Aging                       time.Duration
	Stall                       time.Duration
	Plan                        plan.Rules
	Health                      health.Rules
	Backup                      Backup
	Sources                     []string
	LogLevel                    string
	// HistoryDays is for how many days with records history is kept.
	HistoryDays int
	Hang, Grace time.Duration
	Abandoned   int
	RemoveShare int
	priorities  map[plan.Cause]*int
	// from is the file and line of each key that a file sets.
	from map[string]string
}

// Backup is how backups are made.
type Backup struct {
	Enabled bool
	// Targets is how many filesystem backends are chosen where none says backup: true.
	Targets int
	// KeepLast, KeepDaily, KeepWeekly and KeepMonthly are what retention keeps; never below KeepLast complete ones.
	KeepLast, KeepDaily, KeepWeekly, KeepMonthly int
}

// The sources of content.
const (
	SourceHome     = "home"
	SourceBackends = "backends"
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
