package dbus

import (
	"context"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// Publish passes one event on. It never blocks and may be called under the engine's lock.
func (s *Server) Publish(ev status.Event) {
	p := &s.pub
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up == nil {
		return
	}
	manager := object{path: RootPath, kind: ifManager}
	backend := object{path: BackendPath(ev.Backend), kind: ifBackend, name: ev.Backend}
	switch ev.Kind {
	case status.ManagerChanged:
		p.change(manager, 0)
	case status.BackendChanged:
		p.change(backend, 0)
		p.change(manager, 0)
	case status.BackendAdded:
		p.change(manager, 0)
		p.appear(backend)
	case status.BackendGone:
		p.change(manager, 0)
		p.vanish(backend)
	case status.BackendDirty:
		p.tell(backend, "BackendDirty", backend.path, ev.Backend, ev.N)
	case status.BackendClean:
		p.tell(backend, "BackendClean", backend.path, ev.Backend)
	case status.BackendHealth:
		p.tell(backend, "BackendHealthChanged", backend.path, ev.Backend, ev.Old, ev.New, ev.Why)
	case status.WorkerChanged:
		p.change(workerObject(ev.Worker), 0)
	case status.WorkerRestarted:
		p.tell(workerObject(ev.Worker), "WorkerRestarted", ev.Worker, ev.N, ev.Why)
	case status.MetadataChanged:
		p.tell(manager, "MetadataChanged", ev.N)
	case status.AlertRaised:
		p.tell(manager, "AlertRaised", ev.Alert.Code, ev.Alert.Severity, ev.Alert.Title, values(ev.Details).variants())
	case status.AlertCleared:
		p.tell(manager, "AlertCleared", ev.Alert.Code)
	default:
		p.taskEvent(ev, manager)
	}
	select {
	case p.kick <- struct{}{}:
	default: // it is awake
	}
}

func workerObject(name string) object {
	return object{path: WorkerPath(name), kind: ifWorker, name: name}
}

// taskEvent is Publish for what is about tasks. The caller holds mu.
func (p *publisher) taskEvent(ev status.Event, manager object) {
	t := ev.Task
	o := object{path: TaskPath(t.ID), kind: ifTask, id: t.ID}
	switch ev.Kind {
	case status.TaskNew:
		p.appear(o)
		p.tell(manager, "TaskNew", t.ID, o.path, t.Backend, t.Kind)
	case status.TaskChanged:
		p.change(o, 0)
		p.change(manager, 0)
	case status.TaskProgress:
		p.change(o, slow)
	case status.TaskFinished:
		p.change(o, 0)
		p.change(manager, 0)
		p.add(signal{path: o.path, name: ifTask + ".Completed", about: o, body: []any{t.State == status.TaskDone, t.Error}})
	case status.TaskForgotten:
		p.vanish(o)
		p.add(signal{path: RootPath, name: ifManager + ".TaskRemoved", removes: true, body: []any{t.ID, o.path, t.Backend, t.Kind, t.State}})
	}
}

// tell adds a signal of the manager about an object, which changed too. The caller holds mu.
func (p *publisher) tell(about object, name string, body ...any) {
	p.change(about, 0)
	p.change(object{path: RootPath, kind: ifManager}, 0)
	p.add(signal{path: RootPath, name: ifManager + "." + name, about: about, body: body})
}

// appear announces an object, if clients are told of it at all: of backends up
// to the configured number. A place that becomes free goes to the next one that comes. The caller holds mu.
func (p *publisher) appear(o object) {
	if _, known := p.listed[o.path]; known || o.kind == ifBackend && p.backends >= p.s.o.MaxBackends {
		return
	}
	p.list(o)
	p.add(signal{path: RootPath, name: ifObjects + ".InterfacesAdded", about: o, appears: true})
}

// list notes that clients know of an object. The caller holds mu.
func (p *publisher) list(o object) {
	p.listed[o.path] = struct{}{}
	if o.kind == ifBackend {
		p.backends++
	}
}

// vanish announces that an object is gone. The caller holds mu.
func (p *publisher) vanish(o object) {
	delete(p.dirty, o.path)
	delete(p.sent, o.path)
	if _, known := p.listed[o.path]; !known {
		return
	}
	delete(p.listed, o.path)
	if o.kind == ifBackend {
		p.backends--
	}
	p.add(signal{path: RootPath, name: ifObjects + ".InterfacesRemoved", removes: true, body: []any{o.path, []string{o.kind}}})
}

// add appends a signal. Where too many wait, nobody can know the state from
// them any more: the connection is given up, and whoever listens begins anew with the next one. The caller holds mu.
func (p *publisher) add(sg signal) {
	if len(p.signals) < maxWaiting {
		p.signals = append(p.signals, sg)
		return
	}
	p.up = nil
	p.giveUp()
}

// change notes that an object's properties may differ. The caller holds mu.
func (p *publisher) change(o object, after time.Duration) {
	p.turn++
	due := p.s.o.Clock.Now().Add(after)
	if d, ok := p.dirty[o.path]; ok {
		d.turn = p.turn
		if due.Before(d.due) {
			d.due = due
		}
		return
	}
	p.dirty[o.path] = &dirtyObject{o, due, p.turn}
}

// run sends what is due until ctx ends or the connection is lost: at once after
// a quiet time, and at most ten times a second.
func (p *publisher) run(ctx context.Context, conn *godbus.Conn) {
	t := p.s.o.Clock.NewTimer(batch)
	t.Stop()
	defer t.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			p.flush(func(*dirtyObject) bool { return true })
			return
		case <-conn.Context().Done():
			return
		case <-p.kick:
		case <-t.C:
		}
		now := p.s.o.Clock.Now()
		if wait := last.Add(batch).Sub(now); wait > 0 {
			t.Reset(wait)
			continue
		}
		last = now
		if next := p.flush(func(d *dirtyObject) bool { return !d.due.After(now) }); !next.IsZero() {
			t.Reset(max(next.Sub(now), time.Millisecond))
		}
	}
}
