package dbus

import (
	"context"
	"reflect"
	"sync"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

const (
	// batch is the least time between two signals about one object.
	batch = 100 * time.Millisecond
	// slow is that of progress.
	slow = time.Second
	// maxWaiting bounds the signals that wait; beyond it clients are told to look at everything.
	maxWaiting = 20_000
	// maxSent bounds the objects whose last values are remembered, to tell just
	// what differs. Of others all properties are told, which is right too, and longer.
	maxSent = 1000
)

// publisher turns events into signals: those of their own in order, and changes
// of properties gathered by object.
type publisher struct {
	s    *Server
	kick chan struct{}

	mu sync.Mutex
	// up says that a connection is there; nobody hears anything otherwise.
	up      *godbus.Conn
	signals []signal
	dirty   map[godbus.ObjectPath]*dirtyObject
	// sent are the values that clients know, of objects that changed before.
	sent map[godbus.ObjectPath]values
	// sending keeps the order among those who flush.
	sending sync.Mutex
}

type signal struct {
	path godbus.ObjectPath
	name string
	body []any
}

// dirtyObject waits to be told about.
type dirtyObject struct {
	o   object
	due time.Time
}

func (p *publisher) init(s *Server) {
	p.s, p.kick = s, make(chan struct{}, 1)
	p.dirty, p.sent = map[godbus.ObjectPath]*dirtyObject{}, map[godbus.ObjectPath]values{}
}

// connected begins anew: whoever listens now reads everything first.
func (p *publisher) connected(conn *godbus.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = conn
	p.signals = nil
	clear(p.dirty)
	clear(p.sent)
}

func (p *publisher) disconnected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = nil
	p.signals = nil
	clear(p.dirty)
}

// Publish passes one event on. It never blocks and may be called under the engine's lock.
func (s *Server) Publish(ev status.Event) {
	p := &s.pub
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.up == nil {
		return
	}
	backend := object{path: BackendPath(ev.Backend), kind: ifBackend, name: ev.Backend}
	task := object{path: TaskPath(ev.Task.ID), kind: ifTask, id: ev.Task.ID}
	worker := object{path: WorkerPath(ev.Worker), kind: ifWorker, name: ev.Worker}
	manager := object{path: RootPath, kind: ifManager}
	switch ev.Kind {
	case status.ManagerChanged:
		p.change(manager, batch)
	case status.BackendChanged:
		p.change(backend, batch)
		p.change(manager, batch)
	case status.BackendAdded:
		p.add(RootPath, ifObjects+".InterfacesAdded", addedLater{backend})
		p.change(manager, batch)
	case status.BackendGone:
		p.forget(backend.path)
		p.add(RootPath, ifObjects+".InterfacesRemoved", backend.path, []string{ifBackend})
		p.change(manager, batch)
	case status.BackendDirty:
		p.change(backend, batch)
		p.change(manager, batch)
		p.add(RootPath, ifManager+".BackendDirty", backend.path, ev.Backend, ev.N)
	case status.BackendClean:
		p.change(backend, batch)
		p.change(manager, batch)
		p.add(RootPath, ifManager+".BackendClean", backend.path, ev.Backend)
	case status.BackendHealth:
		p.change(backend, batch)
		p.change(manager, batch)
		p.add(RootPath, ifManager+".BackendHealthChanged", backend.path, ev.Backend, ev.Old, ev.New, ev.Why)
	case status.TaskNew:
		p.remember(task.path, taskValues(ev.Task))
		p.add(RootPath, ifObjects+".InterfacesAdded", task.path, map[string]map[string]godbus.Variant{ifTask: taskValues(ev.Task).variants()})
		p.add(RootPath, ifManager+".TaskNew", ev.Task.ID, task.path, ev.Task.Backend, ev.Task.Kind)
		p.change(manager, batch)
	case status.TaskChanged:
		p.change(task, batch)
		p.change(manager, batch)
	case status.TaskProgress:
		p.change(task, slow)
	case status.TaskFinished:
		p.finished(task, ev.Task)
		p.change(manager, batch)
	case status.TaskForgotten:
		p.forget(task.path)
		p.add(RootPath, ifObjects+".InterfacesRemoved", task.path, []string{ifTask})
		p.add(RootPath, ifManager+".TaskRemoved", ev.Task.ID, task.path, ev.Task.Backend, ev.Task.Kind, ev.Task.State)
	case status.WorkerChanged:
		p.change(worker, batch)
	case status.WorkerRestarted:
		p.change(worker, batch)
		p.add(RootPath, ifManager+".WorkerRestarted", ev.Worker, ev.N, ev.Why)
	case status.MetadataChanged:
		p.add(RootPath, ifManager+".MetadataChanged", ev.N)
	case status.AlertRaised:
		p.add(RootPath, ifManager+".AlertRaised", ev.Alert.Code, ev.Alert.Severity, ev.Alert.Title, values(ev.Details).variants())
		p.change(manager, batch)
	case status.AlertCleared:
		p.add(RootPath, ifManager+".AlertCleared", ev.Alert.Code)
		p.change(manager, batch)
	}
	select {
	case p.kick <- struct{}{}:
	default: // it is awake
	}
}

// addedLater is an object whose properties are read when the signal is sent: the engine's lock may be held now.
type addedLater struct{ o object }

// add appends a signal. The caller holds mu.
func (p *publisher) add(path godbus.ObjectPath, name string, body ...any) {
	if len(p.signals) < maxWaiting {
		p.signals = append(p.signals, signal{path, name, body})
	}
}

// change notes that an object's properties may differ. The caller holds mu.
func (p *publisher) change(o object, after time.Duration) {
	due := p.s.o.Clock.Now().Add(after)
	if d, ok := p.dirty[o.path]; ok {
		if due.Before(d.due) {
			d.due = due
		}
		return
	}
	p.dirty[o.path] = &dirtyObject{o, due}
}

// finished sends the last values of a task, then that it is completed. The caller holds mu.
func (p *publisher) finished(o object, t status.Task) {
	delete(p.dirty, o.path)
	next := taskValues(t)
	changed, invalid := diff(ifTask, p.sent[o.path], next)
	delete(p.sent, o.path) // it does not change any more
	if len(changed)+len(invalid) > 0 {
		p.add(o.path, ifProperties+".PropertiesChanged", ifTask, changed, invalid)
	}
	p.add(o.path, ifTask+".Completed", t.State == status.TaskDone, t.Error)
}

// remember keeps what was told of an object, within the bound. The caller holds mu.
func (p *publisher) remember(path godbus.ObjectPath, v values) {
	if _, known := p.sent[path]; known || len(p.sent) < maxSent {
		p.sent[path] = v
	}
}

// forget drops what is known of an object that is gone. The caller holds mu.
func (p *publisher) forget(path godbus.ObjectPath) {
	delete(p.dirty, path)
	delete(p.sent, path)
}

// run sends what is due until ctx ends or the connection is lost.
func (p *publisher) run(ctx context.Context, conn *godbus.Conn) {
	t := p.s.o.Clock.NewTimer(batch)
	t.Stop()
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			p.flush(true)
			return
		case <-conn.Context().Done():
			return
		case <-p.kick:
		case <-t.C:
		}
		if wait := p.flush(false); wait > 0 {
			t.Reset(wait)
		}
	}
}

// flush sends the signals that wait, and the changes that are due, or all of
// them. It says when the next are due, 0 for none.
func (p *publisher) flush(all bool) time.Duration {
	p.sending.Lock()
	defer p.sending.Unlock()
	p.mu.Lock()
	conn, signals := p.up, p.signals
	p.signals = nil
	now := p.s.o.Clock.Now()
	var due []object
	var next time.Time
	for path, d := range p.dirty {
		switch {
		case all || !d.due.After(now):
			due = append(due, d.o)
			delete(p.dirty, path)
		case next.IsZero() || d.due.Before(next):
			next = d.due
		}
	}
	p.mu.Unlock()
	if conn == nil {
		return 0
	}
	for _, o := range due {
		p.emitChange(conn, o)
	}
	for _, sg := range signals {
		p.emit(conn, sg)
	}
	if next.IsZero() {
		return 0
	}
	return max(next.Sub(now), time.Millisecond)
}

func (p *publisher) emit(conn *godbus.Conn, sg signal) {
	if len(sg.body) == 1 {
		if later, ok := sg.body[0].(addedLater); ok {
			v, there := p.s.values(later.o)
			if !there {
				return
			}
			p.mu.Lock()
			p.remember(later.o.path, v)
			p.mu.Unlock()
			sg.body = []any{later.o.path, map[string]map[string]godbus.Variant{later.o.kind: v.variants()}}
		}
	}
	conn.Emit(sg.path, sg.name, sg.body...) //nolint:errcheck // a connection that is lost is noticed elsewhere
}

// emitChange tells just what differs from what was told before.
func (p *publisher) emitChange(conn *godbus.Conn, o object) {
	next, ok := p.s.values(o)
	if !ok {
		return
	}
	p.mu.Lock()
	changed, invalid := diff(o.kind, p.sent[o.path], next)
	p.remember(o.path, next)
	p.mu.Unlock()
	if len(changed)+len(invalid) > 0 {
		conn.Emit(o.path, ifProperties+".PropertiesChanged", o.kind, changed, invalid) //nolint:errcheck // as above
	}
}

// diff says which properties changed and which clients must read again, by the
// annotations of the interface. Without old values all of them are told.
func diff(kind string, old, next values) (changed map[string]godbus.Variant, invalid []string) {
	changed, invalid = map[string]godbus.Variant{}, []string{}
	for i := range model()[kind].Properties {
		def := &model()[kind].Properties[i]
		v := next[def.Name]
		if old != nil && reflect.DeepEqual(old[def.Name], v) {
			continue
		}
		switch def.emits() {
		case "true":
			changed[def.Name] = godbus.MakeVariant(v)
		case "invalidates":
			if old != nil {
				invalid = append(invalid, def.Name)
			}
		}
	}
	return changed, invalid
}
