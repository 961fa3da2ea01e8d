package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/dbus/client"
)

// askManager is how long the service manager may take to answer.
const askManager = 5 * time.Second

// namedByUnit asks the service manager on a bus which folders the unit of this process names as those to write to.
func namedByUnit(bus string) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, askManager)
		defer cancel()
		conn, err := client.Connect(ctx, bus)
		if err != nil {
			return nil, fmt.Errorf("connect to the bus of the service manager: %w", err)
		}
		defer conn.Close() //nolint:errcheck // it was only asked
		const manager, own = "org.freedesktop.systemd1", uint32(0)
		var unit godbus.ObjectPath
		if err := conn.Object(manager, "/org/freedesktop/systemd1").CallWithContext(ctx, manager+".Manager.GetUnitByPID", godbus.FlagNoAutoStart, own).Store(&unit); err != nil {
			return nil, fmt.Errorf("ask for the own unit: %w", err)
		}
		var paths []string
		if err := conn.Object(manager, unit).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", godbus.FlagNoAutoStart, manager+".Service", "ReadWritePaths").Store(&paths); err != nil {
			return nil, fmt.Errorf("ask for ReadWritePaths of the own unit: %w", err)
		}
		for i := range paths {
			paths[i] = strings.TrimLeft(paths[i], "-+")
		}
		return paths, nil
	}
}
