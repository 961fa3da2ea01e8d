package home

import (
	"fmt"
	"time"
)

// A program that read a mark, and writes it back after somebody else added an
// action, takes that action away without knowing. Upstream never removes
// actions, so one that vanishes soon after it was seen was lost that way: it is
// remembered, counts, and is written back with the next change.

// rememberFor is how long after it was last seen an action that vanishes counts as
// lost. What a person removes from a standing mark stays removed.
const rememberFor = 10 * time.Second

type knownAction struct {
	object *object
	seen   time.Time
}

// noteActions brings the memory of one file up to date with its content, and
// gives the unsynced actions that it should have and doesn't.
func (h *Home) noteActions(file string, m *markFile) (lost []action) {
	now := h.clk.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.known[file]
	here := map[string]bool{}
	for _, a := range m.actions {
		if a.object == nil {
			continue
		}
		id := identity(a.object)
		here[id] = true
		if a.synced {
			delete(known, id)
			continue
		}
		if known == nil {
			known = map[string]knownAction{}
			h.known[file] = known
		}
		known[id] = knownAction{a.object, now}
	}
	for id, k := range known {
		switch {
		case here[id]:
		case now.Sub(k.seen) > rememberFor:
			delete(known, id)
		default:
			lost = append(lost, parseAction(k.object))
		}
	}
	if len(known) == 0 {
		delete(h.known, file)
	}
	return lost
}

// noteOther remembers the unsynced actions of another version of a file.
func (h *Home) noteOther(file string, data []byte) {
	m := parseMark(data)
	now := h.clk.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range m.actions {
		if a.object == nil || a.synced {
			continue
		}
		if h.known[file] == nil {
			h.known[file] = map[string]knownAction{}
		}
		if _, ok := h.known[file][identity(a.object)]; !ok {
			h.known[file][identity(a.object)] = knownAction{a.object, now}
		}
	}
}

// synced forgets actions that were marked as synced.
func (h *Home) synced(file string, doc *object) {
	list, _ := doc.get("pending_actions").([]any) //nolint:errcheck // another type has no actions
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range list {
		if o, ok := e.(*object); ok && truthy(o.get("synced")) {
			delete(h.known[file], identity(o))
		}
	}
}

// restoreLost puts lost actions back into a document; false when there are none.
func (h *Home) restoreLost(file string, doc *object) bool {
	list, ok := doc.get("pending_actions").([]any)
	if !ok {
		return false
	}
	m := markOf(doc)
	for i := range m.actions { // the document is going to be changed, and what is remembered is not
		m.actions[i].object = m.actions[i].object.clone()
	}
	lost := h.noteActions(file, &m)
	for _, a := range lost {
		list = append(list, a.object.clone())
	}
	if len(lost) > 0 {
		doc.set("pending_actions", list)
	}
	return len(lost) > 0
}

// identity tells actions apart, whether they are synced or not, and whichever of their CIDs are left.
func identity(a any) string {
	o, ok := a.(*object)
	if !ok {
		return string(python(a))
	}
	return fmt.Sprint(o.get("action_type"), "\x00", o.get("timestamp"))
}
