package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/sirupsen/logrus"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/health"
	"ipfskit.org/intelligent/internal/history"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/pinindex"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/queue"
	"ipfskit.org/intelligent/internal/statedb"
	"ipfskit.org/intelligent/internal/status"
	"ipfskit.org/intelligent/internal/watch"
)

// Options of a service.
type Options struct {
	// Paths of the home, the state and the configuration.
	Paths config.Paths
	// Clock of all that it does.
	Clock clock.Clock
	// Version of the program.
	Version string
	// Log is where it tells what happens.
	Log *logrus.Logger
	// Bus names the bus for the lock and for people.
	Bus string
	// Publish, if set, is told every event; it must not block.
	Publish func(status.Event)
	// WrapHomeRoot and WrapBackendRoot stand before folders, for faults in tests.
	WrapHomeRoot, WrapBackendRoot func(fsys.Root) fsys.Root
	// Inject, if set, is called at each iteration of a worker: a fault for tests.
	Inject func(worker string) error
	// Inotify, if set, stands before the kernel's watch: a fault for tests.
	Inotify func() (*fsnotify.Watcher, error)
	// System is the system's service: people mend it in other ways.
	System bool
	// Mounts, if set, says that the service runs in a sandbox of its unit, and gives the mounts in there.
	Mounts func() ([]fsys.Mount, error)
	// Named, if set, gives the folders that the unit names as those to write to.
	Named func(context.Context) ([]string, error)
}

// Service is the engine: what is known, what is planned, what runs.
type Service struct {
	opts    Options
	clk     clock.Clock
	log     *logrus.Logger
	cfg     atomic.Pointer[config.Config]
	queue   *queue.Queue
	db      *statedb.DB
	index   *pinindex.Index
	hist    *history.History
	sup     *supervisor
	not     *notifier
	reg     *registryWriter
	garbage *garbage
	// metaKick wakes the metadata reader; what it must read is in metaWant.
	metaKick chan struct{}
	// wentHome is closed by the first look that found out whether the home is there and, if so, read it.
	wentHome chan struct{}
	wentOnce sync.Once
	// again is told of a folder for which the service must be started again.
	again chan *status.StartAgainError
	// indexed is closed once all mappings were looked at for the pin index.
	indexed   chan struct{}
	indexOnce sync.Once
	// busKnown is closed by the first news of the bus: it has us, or can't be had now.
	busKnown     chan struct{}
	busKnownOnce sync.Once

	mu       sync.Mutex
	rules    plan.Rules
	started  time.Time
	stopping bool
	// ready: the home was read, or is known not to be there.
	ready            bool
	home             *home.Home    // nil while waiting
	cars             *backend.Lane // of the home's CARs
	mapped           *carLanes     // of those that mappings name: they may lie on other disks
	unlock           func() error
	homeID           string
	partly           bool // not all of the home could be read when it came
	cat              *catalog.Catalog
	entries          map[string]*entry
	tasks            taskTable
	totals           totals
	network          health.Network
	arrived          rate
	mended           rate
	paused           bool
	pausedTo         time.Time
	lastScan         time.Time
	scans            uint64
	checked          time.Time // last health check
	busLost          string
	trouble          map[string]string // what makes it degraded, by kind
	watcher          *watch.Watcher
	metaWant         metaWant
	ids              idBlock
	errs             map[string][]status.ErrorEntry
	saved            map[string]savedBackend
	requests         map[string][]request // of before a restart, of backends that were not seen yet
	complete, failed uint64
	rescan           chan struct{}
	targets          targetMemory
	absent           map[string]bool // folders that were not there, in a sandbox
	startedFor       []string        // folders that this start was made for, until they can be written
	endsFor          []string        // folders that the next one is made for
	lockErr          *home.LockedError
	level            string // of the log, as it was set
	redundancy       map[int]int
}

// New makes a service with its configuration and its own memory; nothing runs yet.
func New(ctx context.Context, o Options) (*Service, error) {
	cfg, warnings, err := config.Load(o.Paths.Config)
	if err != nil {
		return nil, fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	s := &Service{opts: o, clk: o.Clock, log: o.Log, not: newNotifier(o.Clock), rules: cfg.Plan, started: o.Clock.Now(),
		metaKick: make(chan struct{}, 1), wentHome: make(chan struct{}), indexed: make(chan struct{}), busKnown: make(chan struct{}),
		entries: map[string]*entry{}, tasks: newTaskTable(),
		trouble: map[string]string{}, errs: map[string][]status.ErrorEntry{}, saved: map[string]savedBackend{}, requests: map[string][]request{}, rescan: make(chan struct{}, 1),
		again: make(chan *status.StartAgainError, 1), absent: map[string]bool{}}
	s.arrived.began, s.mended.began = s.started, s.started
	s.cfg.Store(cfg)
	for _, w := range warnings {
		s.log.Warn(w.String())
	}
	s.queue = queue.New(queue.Options{Clock: o.Clock, Limit: cfg.Tasks, AgeStep: cfg.Aging})
	s.reg = newRegistryWriter(s)
	s.sup = newSupervisor(o.Clock, Supervision{HangAfter: cfg.Hang, Grace: cfg.Grace, BackoffMin: time.Second / 4,
		BackoffMax: 15 * time.Second, MaxAbandoned: cfg.Abandoned}, s.workerEvent)
	s.sup.add(status.WorkerMetadataReader, cfg.Metadata, s.metadataReader)
	s.sup.add(status.WorkerDirtyMonitor, cfg.Dirty, s.dirtyMonitor)
	s.sup.add(status.WorkerHealthMonitor, cfg.HealthTick, s.healthMonitor)
	s.sup.add(status.WorkerTaskExecutor, 0, s.executor)
	return s, s.openState(ctx)
}

func (s *Service) config() *config.Config { return s.cfg.Load() }

func (s *Service) inject(worker string) error {
	if s.opts.Inject == nil {
		return nil
	}
	return s.opts.Inject(worker)
}

// openState opens the own database; without one the service works, and forgets at its end.
func (s *Service) openState(ctx context.Context) error {
	db, note, err := statedb.Open(ctx, filepath.Join(s.opts.Paths.State, "state.db"), statedb.Options{Clock: s.clk, OnError: func(err error) {
		if err == nil {
			s.clearTrouble("state")
			return
		}
		s.setTrouble("state", fmt.Sprintf("the own state in %s can't be written, and syncs go on without it: %v; make room there, or see whether it is mounted read-only", s.opts.Paths.State, err))
		s.log.WithError(err).Warn("the own state could not be written; it is tried again, and no sync waits for it")
	}})
	if err != nil {
		return err
	}
	if err := sweepScratch(s.opts.Paths.State, s.clk.Now()); err != nil {
		s.log.WithError(err).Warn("what an earlier run left in the folder of the state could not be removed")
	}
	s.db, s.index = db, pinindex.New(db)
	s.hist = history.New(db, s.clk, func() int { return s.config().HistoryDays })
	if note != "" {
		s.log.Warn(note)
	}
	return s.recall(ctx)
}

// Run works until ctx ends. serve, if set, owns the bus: it is started before
// the home is read, and must return soon after its context ends. It returns a
// *home.LockedError when another service has the home, and a
// *status.StartAgainError when it must be started again for its sandbox.
func (s *Service) Run(ctx context.Context, serve func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var side sync.WaitGroup
	bus, endBus := context.WithCancel(context.WithoutCancel(ctx))
	defer endBus()
	if serve != nil {
		side.Go(func() {
			if err := serve(bus); err != nil {
				cancel(err)
			}
		})
	}
	side.Go(func() { s.reg.run(ctx) })
	side.Go(func() { s.startAgain(ctx, cancel) })
	side.Go(func() {
		if err := s.not.feed(ctx, s.sup.healthy, func(why string) { s.log.Errorf("the watchdog is not fed: %s", why) }); err != nil {
			s.log.WithError(err).Error("the watchdog can't be fed")
		}
	})
	s.sup.start(ctx)
	s.awaitHome(ctx, cancel, serve != nil)
	<-ctx.Done()
	s.stop(&side, endBus)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// busLimit is how long READY waits for a bus that neither takes us nor refuses.
const busLimit = 10 * time.Second

// awaitHome says READY once the home was read, or is known not to be there, and
// whoever is told so finds the service on its bus, if there is one.
func (s *Service) awaitHome(ctx context.Context, cancel context.CancelCauseFunc, onBus bool) {
	select {
	case <-ctx.Done():
		return
	case <-s.wentHome:
	}
	s.mu.Lock()
	locked, waiting := s.lockErr, s.home == nil
	s.mu.Unlock()
	if !waiting {
		s.awaitIndex(ctx)
	}
	if locked != nil {
		cancel(locked)
		return
	}
	if onBus {
		t := s.clk.NewTimer(busLimit)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.busKnown:
		}
	}
	s.mu.Lock()
	s.ready = true
	s.tell(status.Event{Kind: status.ManagerChanged})
	s.mu.Unlock()
	if err := s.not.ready(s.statusLine()); err != nil {
		s.log.WithError(err).Warn("systemd could not be told that the service is ready")
	}
	s.log.WithField("MESSAGE_ID", idStarted).Infof("ready: %s", s.statusLine())
}

// stop ends everything in order: no new work, workers, what waits to be written, the bus, the home.
func (s *Service) stop(side *sync.WaitGroup, endBus func()) {
	if err := s.not.stopping(); err != nil {
		s.log.WithError(err).Warn("systemd could not be told that the service is stopping")
	}
	s.garbage.stop()
	s.mu.Lock()
	s.stopping = true
	s.tell(status.Event{Kind: status.ManagerChanged})
	s.mu.Unlock()
	s.queue.Close()
	s.sup.wait()
	s.reg.flush(context.Background())
	endBus()
	side.Wait()
	s.mu.Lock()
	s.saveAll()
	h, unlock := s.home, s.unlock
	s.home, s.unlock = nil, nil
	s.mu.Unlock()
	if h != nil {
		if err := errors.Join(h.Close(), unlock()); err != nil {
			s.log.WithError(err).Warn("the home could not be let go cleanly")
		}
	}
	s.hist.Stop()
	if err := s.db.Close(); err != nil {
		s.log.WithError(err).Warn("the own state could not be closed cleanly")
	}
	s.log.WithField("MESSAGE_ID", idStopping).Info("stopped")
}

// hostname is for people who read the lock.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return name
}
