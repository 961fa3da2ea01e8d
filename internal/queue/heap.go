package queue

import (
	"container/heap"
	"time"
)

type node struct {
	key string
	at  time.Time
	pos int
}

// timeHeap is a heap of keys by time, with an index by key.
type timeHeap struct {
	list  []*node
	byKey map[string]*node
}

func (h *timeHeap) set(key string, at time.Time) {
	if h.byKey == nil {
		h.byKey = map[string]*node{}
	}
	w, ok := h.byKey[key]
	switch {
	case at.IsZero() && ok:
		heap.Remove(h, w.pos)
		delete(h.byKey, key)
	case at.IsZero():
	case ok:
		w.at = at
		heap.Fix(h, w.pos)
	default:
		w = &node{key: key, at: at}
		h.byKey[key] = w
		heap.Push(h, w)
	}
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (h *timeHeap) Len() int { return len(h.list) }
func (h *timeHeap) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.key < b.key
}

func (h *timeHeap) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].pos, h.list[j].pos = i, j
}

// Push appends a node.
func (h *timeHeap) Push(x any) {
	w := x.(*node) //nolint:forcetypeassert // heap.Interface; only nodes are pushed
	w.pos = len(h.list)
	h.list = append(h.list, w)
}

// Pop removes the last.
func (h *timeHeap) Pop() any {
	w := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return w
}
