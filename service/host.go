package service

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	"ipfskit.org/intelligent/dbus"
	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/logging"
	"ipfskit.org/intelligent/internal/privatebus"
	"ipfskit.org/intelligent/internal/status"
)

// HostOptions say how a process hosts the service.
type HostOptions struct {
	// Bus is "session", "system" or an address; empty: what fits.
	Bus string
	// PrivateBus starts a bus of this process's own.
	PrivateBus bool
	// Verbose logs at the level debug, whatever the configuration says.
	Verbose bool
	// System is the system-wide service with its own places.
	System bool
	// Version of the program.
	Version string
}

// Host runs the service in this process until ctx ends; getenv gives its variables. A wrong configuration is
// a *config.Error, a home that is served already a *home.LockedError, a name
// that is taken a *dbus.NameTakenError, and a start that its sandbox needs a
// *status.StartAgainError.
func Host(ctx context.Context, o HostOptions, getenv func(string) string) error {
	debug.SetGCPercent(garbageReading)
	paths, err := config.FindPaths(getenv, o.System)
	if err != nil {
		return err
	}
	level := ""
	if o.Verbose {
		level = "debug"
	}
	log, flush := logging.New(logging.Options{Clock: clock.System, Level: level})
	defer flush()
	address, closeBus, err := findBus(ctx, o, paths, getenv)
	if err != nil {
		return err
	}
	var server *dbus.Server
	s, err := New(ctx, Options{Paths: paths, Clock: clock.System, Version: o.Version, Log: log, Bus: address, Inject: injected(), System: o.System, Mounts: unitMounts(getenv), Named: namedByUnit(address),
		Publish: func(ev status.Event) { server.Publish(ev) }})
	if err != nil {
		return errors.Join(err, closeBus())
	}
	s.garbage = &garbage{clk: clock.System}
	if lv, err := logging.ParseLevel(s.config().LogLevel); err == nil && !o.Verbose {
		log.SetLevel(lv)
	}
	server = dbus.NewServer(dbus.ServerOptions{Address: address, Engine: s, Clock: clock.System, MaxBackends: s.config().BusBackends,
		OnState: s.BusState, Polkit: o.System || address == "system"})
	var side sync.WaitGroup
	sctx, stop := context.WithCancel(ctx)
	side.Go(func() { s.reloadOnHangup(sctx) })
	err = s.Run(ctx, server.Run)
	stop()
	side.Wait()
	return errors.Join(err, closeBus())
}

// findBus says which bus to be on, and starts a private one where that was asked for.
func findBus(ctx context.Context, o HostOptions, paths config.Paths, getenv func(string) string) (address string, closeBus func() error, err error) {
	closeBus = func() error { return nil }
	switch {
	case o.PrivateBus:
		if err := config.EnsureRuntime(paths.Runtime); err != nil {
			return "", closeBus, err
		}
		b, err := privatebus.Start(ctx, paths.Runtime, clock.System)
		if err != nil {
			return "", closeBus, err
		}
		return b.Address, b.Close, nil
	case o.Bus != "":
		return o.Bus, closeBus, nil
	case o.System:
		return "system", closeBus, nil
	}
	if a := getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a, closeBus, nil
	}
	if run := getenv("XDG_RUNTIME_DIR"); run != "" {
		if _, err := os.Stat(filepath.Join(run, "bus")); err == nil {
			return "unix:path=" + filepath.Join(run, "bus"), closeBus, nil
		}
	}
	return "session", closeBus, nil
}

// reloadOnHangup reads the configuration again at SIGHUP, as ExecReload asks.
func (s *Service) reloadOnHangup(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			s.Reload(ctx) //nolint:errcheck // the log says what is wrong
		}
	}
}
