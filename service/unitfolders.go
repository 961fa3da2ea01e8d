package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus/client"
)

const (
	// askManager is how long the service manager may take to answer, and to come to the bus:
	// a user's manager does after the bus began, for which this service may be the reason.
	askManager  = 5 * time.Second
	unitManager = "org.freedesktop.systemd1"
)

// namedByUnit asks the service manager on a bus which folders the unit of this process names as those to write to.
func namedByUnit(bus string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, askManager)
		defer cancel()
		conn, err := client.Connect(ctx, bus)
		if err != nil {
			return nil, fmt.Errorf("connect to the bus of the service manager: %w", err)
		}
		defer conn.Close()                    //nolint:errcheck // it was only asked
		comes := make(chan *godbus.Signal, 1) // one is enough: it is asked again
		conn.Signal(comes)
		err = conn.AddMatchSignalContext(ctx, godbus.WithMatchSender("org.freedesktop.DBus"), godbus.WithMatchInterface("org.freedesktop.DBus"),
			godbus.WithMatchMember("NameOwnerChanged"), godbus.WithMatchArg(0, unitManager))
		if err != nil {
			return nil, fmt.Errorf("listen for the service manager: %w", err)
		}
		for {
			paths, err := foldersOfUnit(ctx, conn)
			if !absentManager(err) {
				return paths, err
			}
			select {
			case _, open := <-comes:
				if !open { // the bus has gone
					return nil, err
				}
			case <-ctx.Done():
				return nil, err
			}
		}
	}
}

// absentManager tells whether a call failed because the service manager is not on the bus, as the brokers of a bus say it.
func absentManager(err error) bool {
	var e godbus.Error
	return errors.As(err, &e) && (e.Name == "org.freedesktop.DBus.Error.NameHasNoOwner" || e.Name == "org.freedesktop.DBus.Error.ServiceUnknown")
}

// foldersOfUnit are those of ReadWritePaths= of this process's unit.
func foldersOfUnit(ctx context.Context, conn *godbus.Conn) (paths []string, err error) {
	const own = uint32(0)
	var unit godbus.ObjectPath
	if err := conn.Object(unitManager, "/org/freedesktop/systemd1").CallWithContext(ctx, unitManager+".Manager.GetUnitByPID", godbus.FlagNoAutoStart, own).Store(&unit); err != nil {
		return nil, fmt.Errorf("ask for the own unit: %w", err)
	}
	if err := conn.Object(unitManager, unit).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", godbus.FlagNoAutoStart, unitManager+".Service", "ReadWritePaths").Store(&paths); err != nil {
		return nil, fmt.Errorf("ask for ReadWritePaths of the own unit: %w", err)
	}
	for i := range paths {
		paths[i] = strings.TrimLeft(paths[i], "-+")
	}
	return paths, nil
}
