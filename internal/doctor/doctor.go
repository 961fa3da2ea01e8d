// Package doctor looks for what is wrong with a home, its backends, the machine
// and the service, and says what, why and what to do. It works with and without
// a running service, only reads, and ends in bounded time whatever hangs.
package doctor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/redact"
	"ipfskit.org/intelligent/internal/status"
)

// Options say what to look at.
type Options struct {
	// Paths of the home, the state and the configuration.
	Paths config.Paths
	// Clock that ages are told by.
	Clock clock.Clock
	// Getenv gives a variable of who asks; empty where it is not set.
	Getenv func(string) string
	// Version of the program that asks.
	Version string
	// System is the system's service, whose account has other rights than who asks.
	System bool
	// Service is what the running service says of itself; nil where none answers.
	Service *Service
	// LastEnd says why the service ended last, where that is known.
	LastEnd string
	// Silent says that a service is there and does not answer; LastEnd has how that was seen.
	Silent bool
	// Systemctl asks the service manager; it fails where there is none.
	Systemctl func(ctx context.Context, args ...string) (string, error)

	// Root stands before the machine's own files (/proc/sys, /var/lib/systemd, /run/systemd); empty: they are the machine's.
	Root string
	// Synchronised tells whether the kernel's clock is; nil: the kernel is asked.
	Synchronised func() bool
	// Inotify begins to listen to nothing, as the service does first; nil: the kernel is asked.
	Inotify func() error
	// PythonAPI is where the Python daemon answers; empty: its default, 127.0.0.1:9999.
	PythonAPI string
	// Serves tells whether a canonical type of backends can be synced; nil: those with an adapter can.
	Serves func(typ string) bool
	// Probe is how long one path or endpoint may take to answer; 0: 5 seconds.
	Probe time.Duration
	// Read is how long reading all of the home, or the service's state, may take; 0: 30 seconds.
	Read time.Duration
}

// Service is what a running service says of itself.
type Service struct {
	// PID of its process.
	PID uint32
	// Manager is the service as a whole.
	Manager status.Manager
	// Blocked are its backends that wait for something that is not here.
	Blocked []status.Backend
	// Issues are those of its health document.
	Issues []status.Finding
}

const (
	// whole is how long doctor may take for all of it.
	whole = time.Minute
	// probeLimit is how long one path or endpoint may take where nobody says it.
	probeLimit = 5 * time.Second
	// atOnce is how many backends are asked at the same time.
	atOnce = 16
)

// visit is one look at everything.
type visit struct {
	Options
	// home and cat are nil where there is no home to read.
	home *home.Home
	cat  *catalog.Catalog
	unit *unitFacts

	mu       sync.Mutex
	findings []status.Finding
	// lineages are those of the folders of backends, by name.
	lineages map[string][]folderID
}

// checks are the kinds of trouble that are looked for, in the order in which one helps the next.
var checks = []func(*visit, context.Context){
	(*visit).askUnit, (*visit).readHome,
	(*visit).configuration, (*visit).registries, (*visit).layouts, (*visit).homeWritable, (*visit).homeLock,
	(*visit).backends, (*visit).shared, (*visit).sharedNode, (*visit).sandbox, (*visit).credentials, (*visit).dirty, (*visit).content,
	(*visit).watches, (*visit).ownDisks, (*visit).clock, (*visit).bus, (*visit).state,
	(*visit).enabled, (*visit).linger, (*visit).running, (*visit).sameService, (*visit).issues, (*visit).python,
}

// Run looks at everything. Secrets of the home's configurations are not in what it gives.
func Run(ctx context.Context, o Options) status.Diagnosis {
	if o.Probe <= 0 {
		o.Probe = probeLimit
	}
	if o.Serves == nil {
		o.Serves = types.Has
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := o.Clock.AfterFunc(whole, func() { cancel(errors.New("looking took too long")) })
	defer t.Stop()
	v := &visit{Options: o, lineages: map[string][]folderID{}}
	// The home itself can hang after it was read once.
	_, err := bounded(context.WithoutCancel(ctx), o.Clock, whole+2*o.Probe, "look at everything", func() (struct{}, error) {
		for _, check := range checks {
			check(v, ctx)
		}
		if v.home != nil {
			v.home.Close() //nolint:errcheck // it was only read
		}
		return struct{}{}, context.Cause(ctx)
	})
	if err != nil {
		v.add("not-all-looked-at", status.SeverityWarning, "", "not everything was looked at", err.Error(), "look again when the machine is less busy")
	}
	return status.Diagnose(len(checks), v.said())
}

// said is what was found so far, without secrets.
func (v *visit) said() []status.Finding {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := slices.Clone(v.findings)
	for i, f := range out {
		out[i].What, out[i].Why, out[i].Mend = redact.Text(f.What), redact.Text(f.Why), redact.Text(f.Mend)
	}
	return out
}

// add notes a finding; it may be called by several at once.
func (v *visit) add(code, severity, subject, what, why, mend string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.findings = append(v.findings, status.Finding{Code: code, Severity: severity, Subject: subject, What: what, Why: why, Mend: mend})
}

// bounded makes a call that can hang, and waits for it no longer than limit. What
// f gives is dropped when it comes too late.
func bounded[T any](ctx context.Context, clk clock.Clock, limit time.Duration, what string, f func() (T, error)) (T, error) {
	got := make(chan T, 1)
	err := backend.NewLane(1, clk).Probe(ctx, what, limit, func() error {
		x, err := f()
		got <- x
		return err
	})
	select {
	case x := <-got:
		return x, err
	default:
		var none T
		return none, err
	}
}

// plain is an error without the hint of a backend's: doctor has its own.
func plain(err error) string {
	var known *backend.Error
	if errors.As(err, &known) {
		return known.Err.Error()
	}
	return err.Error()
}

// hangs tells whether a bounded call did not return.
func hangs(err error) bool {
	var overdue *backend.OverdueError
	return errors.As(err, &overdue)
}
