package home

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// markFile is what one file of marks says.
type markFile struct {
	file  string
	stamp stamp
	// sure is false while the stamp is too young to be relied on.
	sure bool
	// dirty is the file's own is_dirty.
	dirty   bool
	actions []action
	// inFile of the actions stand in the file; behind them come those that were lost from it.
	inFile int
	// content of a file without actions, which are set and cleared as a whole.
	content  digest
	affected []string
	lastSync time.Time
	updated  time.Time
	// err is why it can't be parsed.
	err error
	// empty files are hints and no marks.
	empty bool
}

// action is one entry of pending_actions.
type action struct {
	cids   []string
	remove bool
	at     time.Time
	synced bool
	// object is the action as it stands in the file, kept while it is unsynced.
	object *object
}

// maxMark bounds a file of marks.
const maxMark = 64 << 20

// parseMark reads a document of marks.
func parseMark(data []byte) (m markFile) {
	if len(data) == 0 {
		m.empty = true
		return m
	}
	doc, err := parseObject(data)
	if err != nil {
		m.err = err
		return m
	}
	m = markOf(doc)
	if m.inFile = len(m.actions); m.inFile == 0 {
		m.content = digestOf(data)
	}
	return m
}

// digest tells contents of a file apart, in little memory.
type digest [16]byte

func digestOf(data []byte) digest {
	sum := sha256.Sum256(data)
	return digest(sum[:16])
}

// markOf takes from a document what this program understands.
func markOf(doc *object) (m markFile) {
	m.dirty = truthy(doc.get("is_dirty"))
	m.affected = texts(doc.get("affected_cids"))
	m.lastSync = later(epoch(doc.get("last_sync")), epoch(doc.get("last_synced")))
	m.updated = later(epoch(doc.get("last_updated")), epoch(doc.get("last_marked_dirty")))
	list, ok := doc.get("pending_actions").([]any)
	if !ok {
		return m
	}
	for _, e := range list {
		o, ok := e.(*object)
		if !ok {
			m.actions = append(m.actions, action{}) // something is pending, whatever it is
			continue
		}
		m.actions = append(m.actions, parseAction(o))
	}
	return m
}

func parseAction(o *object) action {
	kind, _ := o.get("action_type").(string) //nolint:errcheck // another type is no removal
	a := action{cids: texts(o.get("cids")), at: epoch(o.get("timestamp")), synced: truthy(o.get("synced")), remove: isRemoval(kind), object: o}
	if len(a.cids) == 0 {
		a.cids = texts(o.get("cid"))
	}
	return a
}

// isRemoval tells whether an action asks for content to be removed. Upstream has no such action yet.
func isRemoval(kind string) bool {
	switch strings.ToLower(kind) {
	case "unpin", "pin_remove", "pin_rm", "remove_pin", "remove", "delete":
		return true
	}
	return false
}

// truthy is Python's bool() of a JSON value; nil, which is missing, is false.
func truthy(v any) bool {
	switch x := v.(type) {
	case bool:
		return x
	case json.Number:
		f, err := x.Float64()
		return err != nil || f != 0
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	case *object:
		return len(x.keys) > 0
	}
	return false
}

// texts takes a list of texts, or one text.
func texts(v any) []string {
	switch x := v.(type) {
	case string:
		if x != "" {
			return []string{x}
		}
	case []any:
		var out []string
		for _, e := range x {
			if s, ok := e.(string); ok && s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// epoch takes seconds since the epoch, or an ISO text.
func epoch(v any) time.Time {
	switch x := v.(type) {
	case json.Number:
		f, err := x.Float64()
		if err != nil || f <= 0 || f > 1e12 {
			return time.Time{}
		}
		sec, frac := math.Modf(f)
		return time.Unix(int64(sec), int64(frac*1e6)*1000)
	case string:
		if t, ok := parseISO(x); ok {
			return t
		}
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// unsynced counts what is left to do: actions, or a mark that is set without any.
func (m *markFile) unsynced() int {
	n := 0
	for _, a := range m.actions {
		if !a.synced {
			n++
		}
	}
	if len(m.actions) == 0 && m.dirty {
		return 1
	}
	return n
}

// lost are the identities of the actions that were lost from the file.
func (m *markFile) lost() map[string]bool {
	var ids map[string]bool
	for _, a := range m.actions[m.inFile:] {
		if ids == nil {
			ids = map[string]bool{}
		}
		ids[identity(a.object)] = true
	}
	return ids
}

// forgetSynced lets go of what is only needed of actions that are not synced.
func (m *markFile) forgetSynced() {
	for i := range m.actions {
		if m.actions[i].synced {
			m.actions[i] = action{synced: true}
		}
	}
}
