package client

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// Event is one signal of the service, with its arguments by name.
type Event struct {
	// Signal is its name, without that of the interface.
	Signal string `json:"event"`
	// Object is the path of the object that it comes from.
	Object string `json:"object"`
	// Args are the arguments by their names, as plain Go values.
	Args map[string]any `json:"args"`
}

// signalArgs are the names of the arguments, in the interfaces' order.
var signalArgs = map[string][]string{
	manager + ".BackendDirty":                              {"backend", "name", "pending"},
	manager + ".BackendClean":                              {"backend", "name"},
	manager + ".BackendHealthChanged":                      {"backend", "name", "old", "new", "why"},
	manager + ".TaskNew":                                   {"id", "task", "backend", "kind"},
	manager + ".TaskRemoved":                               {"id", "task", "backend", "kind", "result"},
	manager + ".WorkerRestarted":                           {"name", "restarts", "why"},
	manager + ".MetadataChanged":                           {"generation"},
	manager + ".AlertRaised":                               {"code", "severity", "title", "details"},
	manager + ".AlertCleared":                              {"code"},
	task + ".Completed":                                    {"success", "message"},
	"org.freedesktop.DBus.Properties.PropertiesChanged":    {"interface", "changed", "invalidated"},
	"org.freedesktop.DBus.ObjectManager.InterfacesAdded":   {"added", "interfaces"},
	"org.freedesktop.DBus.ObjectManager.InterfacesRemoved": {"removed", "interfaces"},
}

// Events calls each for every signal, in order, until ctx ends, the service does
// (ErrNotRunning), or a call returns an error. Ready is called once nothing can
// be missed any more: what it reads then is what the first signal changes.
func (c *Client) Events(ctx context.Context, ready func() error, each func(Event) error) error {
	signals, stop, err := c.subscribe(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := ready(); err != nil {
		return err
	}
	for {
		s, err := c.next(ctx, signals)
		if err != nil {
			return fmt.Errorf("watch the service: %w", err)
		}
		if names, known := signalArgs[s.Name]; known {
			if err := each(event(s, names)); err != nil {
				return err
			}
		}
	}
}

// Subject is the kind of object that an event of an object is about ("backend",
// "task", "worker", or "" for the service as a whole), and its name or number.
func Subject(object string) (kind, name string) {
	rest, ok := strings.CutPrefix(object, string(RootPath)+"/")
	if !ok {
		return "", ""
	}
	folder, label, _ := strings.Cut(rest, "/")
	if folder == "backends" {
		if name, err := url.PathUnescape(strings.ReplaceAll(label, "_", "%")); err == nil { // systemd's escaping
			label = name
		}
	}
	return strings.TrimSuffix(folder, "s"), label
}

func event(s *godbus.Signal, names []string) Event {
	e := Event{Signal: s.Name[strings.LastIndexByte(s.Name, '.')+1:], Object: string(s.Path), Args: map[string]any{}}
	for i, name := range names {
		if i < len(s.Body) {
			e.Args[name] = plain(s.Body[i])
		}
	}
	return e
}

// plain takes variants apart, so that JSON shows their values.
func plain(v any) any {
	m, ok := v.(map[string]godbus.Variant)
	if !ok {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		out[k] = plain(e.Value())
	}
	return out
}
