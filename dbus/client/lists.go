package client

import (
	"context"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// ListBackends gives one page; the cursor is empty at the end.
func (c *Client) ListBackends(ctx context.Context, q status.BackendQuery) (page []status.Backend, cursor string, err error) {
	o := paging(q.Limit, q.Cursor)
	if q.State != "" {
		o["state"] = q.State
	}
	if q.Type != "" {
		o["type"] = q.Type
	}
	if q.Dirty != nil {
		o["dirty"] = *q.Dirty
	}
	var rows []struct {
		Path               godbus.ObjectPath
		Name, Type, Health string
		Dirty              bool
		Pending            uint64
		ResponseMS         float64
	}
	if err := c.call(ctx, RootPath, manager+".ListBackends", []any{&rows, &cursor}, o); err != nil {
		return nil, "", err
	}
	for _, r := range rows {
		page = append(page, status.Backend{Name: r.Name, Type: r.Type, Health: r.Health, Dirty: r.Dirty, PendingActions: r.Pending,
			ResponseMS: r.ResponseMS, AvailableBytes: -1, Risk: -1})
	}
	return page, cursor, nil
}

// ListTasks gives one page, newest first; the cursor is empty at the end.
func (c *Client) ListTasks(ctx context.Context, q status.TaskQuery) (page []status.Task, cursor string, err error) {
	o := paging(q.Limit, q.Cursor)
	if q.State != "" {
		o["state"] = q.State
	}
	if q.Backend != "" {
		o["backend"] = q.Backend
	}
	if !q.Since.IsZero() {
		o["since"] = uint64(q.Since.UnixMicro())
	}
	var rows []struct {
		Path                 godbus.ObjectPath
		ID                   uint64
		Kind, Backend, State string
		Progress             float64
	}
	if err := c.call(ctx, RootPath, manager+".ListTasks", []any{&rows, &cursor}, o); err != nil {
		return nil, "", err
	}
	for _, r := range rows {
		page = append(page, status.Task{ID: r.ID, Kind: r.Kind, Backend: r.Backend, State: r.State, Progress: r.Progress})
	}
	return page, cursor, nil
}

// ListErrors gives one page; the cursor is empty at the end.
func (c *Client) ListErrors(ctx context.Context, q status.ErrorQuery) (page []status.ErrorEntry, cursor string, err error) {
	o := paging(q.Limit, q.Cursor)
	if q.Backend != "" {
		o["backend"] = q.Backend
	}
	var rows []struct {
		Backend, Class, Message string
		First, Last, Count      uint64
	}
	if err := c.call(ctx, RootPath, manager+".ListErrors", []any{&rows, &cursor}, o); err != nil {
		return nil, "", err
	}
	for _, r := range rows {
		page = append(page, status.ErrorEntry{Backend: r.Backend, Class: r.Class, Message: r.Message,
			First: fromUSec(r.First), Last: fromUSec(r.Last), Count: r.Count})
	}
	return page, cursor, nil
}

func paging(limit int, cursor string) Options {
	o := Options{}
	if limit > 0 {
		o["limit"] = uint32(limit)
	}
	if cursor != "" {
		o["cursor"] = cursor
	}
	return o
}

// fromUSec is the time of the bus: 0 is never.
func fromUSec(us uint64) time.Time {
	if us == 0 || us > 1<<62 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}
