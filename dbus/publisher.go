package dbus

import (
	"reflect"
	"slices"
	"sync"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

const (
	// batch is the least time between two changes that are told of one object.
	batch = 100 * time.Millisecond
	// slow is that of progress, and of rates that pass by themselves.
	slow, fading = time.Second, 10 * time.Second
	// maxWaiting bounds the signals that wait.
	maxWaiting = 100_000
	// maxSent bounds the objects whose last values are remembered, to tell just
	// what differs. Of others all properties are told, which is right too, and longer.
	maxSent = 2000
)

// publisher turns events into signals: those of their own in order, and changes
// of properties gathered by object. What it sends adds up to what can be read.
type publisher struct {
	s    *Server
	kick chan struct{}

	mu sync.Mutex
	// up says that a connection is there; nobody hears anything otherwise.
	up *godbus.Conn
	// giveUp ends the connection without waiting.
	giveUp  func()
	signals []signal
	dirty   map[godbus.ObjectPath]*dirtyObject
	// turn numbers the changes.
	turn uint64
	// sent are the values that clients know, of objects that changed before.
	sent map[godbus.ObjectPath]values
	// listed are the backends and tasks that clients know of through ObjectManager.
	listed   map[godbus.ObjectPath]struct{}
	backends int
	// held counts the calls that must be answered before anything is removed.
	held int
	// sending keeps the order among those who flush.
	sending sync.Mutex
}

// signal waits to be sent.
type signal struct {
	path godbus.ObjectPath
	name string
	body []any
	// about is the object whose changed properties go out first.
	about object
	// appears and removes say that it is about an object that comes or goes.
	appears, removes bool
}

// dirtyObject waits to be told about.
type dirtyObject struct {
	o    object
	due  time.Time
	turn uint64
}

func (p *publisher) init(s *Server) {
	p.s, p.kick = s, make(chan struct{}, 1)
	p.clear()
}

func (p *publisher) clear() {
	p.signals, p.backends = nil, 0
	p.dirty, p.sent = map[godbus.ObjectPath]*dirtyObject{}, map[godbus.ObjectPath]values{}
	p.listed = map[godbus.ObjectPath]struct{}{}
}

// connected begins anew: whoever listens now reads everything first.
func (p *publisher) connected(conn *godbus.Conn, giveUp func()) {
	p.mu.Lock()
	p.clear()
	p.up, p.giveUp = conn, giveUp
	p.mu.Unlock()
	// Events are heard from here on; what is there already is listed without a signal.
	tasks := p.s.o.Engine.BusTasks()
	backends := p.s.firstBackends()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range tasks {
		if o := (object{path: TaskPath(id), kind: ifTask, id: id}); !p.knows(o) {
			p.list(o)
		}
	}
	for _, name := range backends {
		if o := (object{path: BackendPath(name), kind: ifBackend, name: name}); !p.knows(o) && p.backends < p.s.o.MaxBackends {
			p.list(o)
		}
	}
}

func (p *publisher) knows(o object) bool {
	_, ok := p.listed[o.path]
	return ok
}

func (p *publisher) disconnected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = nil
	p.clear()
}

// objects are the backends and tasks that clients know of, in the order of their paths.
func (p *publisher) objects() []object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inOrder()
}

// listing calls f with the objects at a moment that stands between two signals: what came
// or went before was told before, and nothing is told until f returns.
func (p *publisher) listing(f func([]object) error) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	var now []object
	p.send(func(*dirtyObject) bool { return false }, func() { now = p.inOrder() })
	return f(now)
}

// inOrder is objects for one who holds mu.
func (p *publisher) inOrder() []object {
	out := make([]object, 0, len(p.listed))
	for _, path := range sortedKeys(p.listed) {
		if o, ok := objectOf(path); ok {
			out = append(out, o)
		}
	}
	return out
}

// flush sends the signals that wait, and the changes that wanted says. It says
// when the next are due, zero for none.
func (p *publisher) flush(wanted func(*dirtyObject) bool) (next time.Time) {
	p.sending.Lock()
	defer p.sending.Unlock()
	return p.send(wanted, func() {})
}

// send is flush for one who holds sending; then is called under mu, when what is told was chosen.
func (p *publisher) send(wanted func(*dirtyObject) bool, then func()) (next time.Time) {
	p.mu.Lock()
	conn, signals := p.up, p.take()
	then()
	about, due := map[godbus.ObjectPath]bool{}, map[godbus.ObjectPath]object{}
	for _, sg := range signals {
		about[sg.about.path] = true
	}
	for path, d := range p.dirty {
		switch {
		case about[path] || wanted(d):
			due[path] = d.o
			delete(p.dirty, path)
		case next.IsZero() || d.due.Before(next):
			next = d.due
		}
	}
	p.mu.Unlock()
	if conn == nil {
		return time.Time{}
	}
	for _, sg := range signals {
		if _, waits := due[sg.about.path]; waits && !sg.appears {
			p.emitChange(conn, sg.about)
			delete(due, sg.about.path)
		}
		p.emit(conn, sg)
	}
	for _, path := range sortedKeys(due) {
		p.emitChange(conn, due[path])
	}
	return next
}

// take gives the signals that may be sent now: up to the first removal, while a call must be answered before it. The caller holds mu.
func (p *publisher) take() []signal {
	n := len(p.signals)
	if p.held > 0 {
		if at := slices.IndexFunc(p.signals, func(sg signal) bool { return sg.removes }); at >= 0 {
			n = at
		}
	}
	out := p.signals[:n:n]
	p.signals = p.signals[n:]
	if len(p.signals) == 0 {
		p.signals = nil
	}
	return out
}

// emit sends one signal. An object that appears is told with its values of this
// moment; one that is gone again is told all the same, for its removal follows.
func (p *publisher) emit(conn *godbus.Conn, sg signal) {
	if sg.appears {
		o := sg.about
		v, _ := p.s.values(o)
		p.remember(o, v)
		sg.body = []any{o.path, map[string]map[string]godbus.Variant{o.kind: v.variants()}}
	}
	for i, x := range sg.body {
		sg.body[i] = sendable(x)
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
	p.mu.Unlock()
	p.remember(o, next)
	if len(changed)+len(invalid) > 0 {
		conn.Emit(o.path, ifProperties+".PropertiesChanged", o.kind, changed, invalid) //nolint:errcheck // as above
	}
}

// remember keeps what was told of an object, within the bound. A finished task does not change any more,
// and an object that is not listed is told whole each time.
func (p *publisher) remember(o object, v values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if folder := o.kind == ifTask || o.kind == ifBackend; folder && (!p.knows(o) || v["FinishedUSec"] != nil && v["FinishedUSec"] != uint64(0)) {
		delete(p.sent, o.path)
		return
	}
	if _, known := p.sent[o.path]; known || len(p.sent) < maxSent {
		p.sent[o.path] = v
	}
	if fades(v) {
		p.change(o, fading)
	}
}

// fades tells whether a property passes by itself: the rates of the last minutes.
func fades(v values) bool {
	dirty, _ := v["DirtyPerMinute"].(float64)   //nolint:errcheck // other objects have none
	mended, _ := v["MendedPerMinute"].(float64) //nolint:errcheck // as above
	return dirty+mended > 0
}

// read notes what a client was given. What differs from what was told before is
// told again with the next change: else a value that was read between two
// signals, and went back, would stay with that client for ever.
func (p *publisher) read(o object, v values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, known := p.sent[o.path]
	if p.up == nil || !known {
		return
	}
	if changed, invalid := diff(o.kind, old, v); len(changed)+len(invalid) == 0 {
		return
	}
	delete(p.sent, o.path)
	p.change(o, batch)
	select {
	case p.kick <- struct{}{}:
	default: // it is awake
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
			changed[def.Name] = variant(v)
		case "invalidates":
			invalid = append(invalid, def.Name)
		}
	}
	return changed, invalid
}

// begin and end enclose a call that changes something: what it changed is told
// before its reply, what it removed after it.
func (p *publisher) begin(holds bool) (turn uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if holds {
		p.held++
	}
	return p.turn
}

// flushSince sends what waits of signals, and the objects that changed since a turn.
func (p *publisher) flushSince(turn uint64) {
	p.flush(func(d *dirtyObject) bool { return d.turn > turn })
}

// release lets removals go on.
func (p *publisher) release() {
	p.mu.Lock()
	p.held--
	p.mu.Unlock()
	select {
	case p.kick <- struct{}{}:
	default: // it is awake
	}
}
