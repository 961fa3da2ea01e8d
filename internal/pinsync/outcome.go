package pinsync

import (
	"fmt"
	"strings"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

// maxListed bounds each list of an outcome; the counts are whole.
const maxListed = 100

// Entry is one CID in an outcome.
type Entry struct {
	// CID is as the mark or mapping writes it.
	CID string
	// Reason is in words; empty where there is nothing to say.
	Reason string
	// Class of what went wrong; empty where nothing did.
	Class backend.Class
	// Absent are files that were named as its source and that are not there.
	Absent []string
}

// List holds the first entries of one kind, and how many there are.
type List struct {
	// Count is how many there are.
	Count int
	// Entries are the first hundred.
	Entries []Entry
}

func (l *List) add(e Entry) {
	l.Count++
	if len(l.Entries) < maxListed {
		l.Entries = append(l.Entries, e)
	}
}

// Outcome is what a sync did. It is right as far as it goes also beside an error.
type Outcome struct {
	// Stored were put now; AlreadyThere were there and verified.
	Stored, AlreadyThere List
	// Failed had an error of their own, and stay to be tried again.
	Failed List
	// Pending were accepted by the backend, which does not hold them yet.
	Pending List
	// NoSource are those that nobody has.
	NoSource List
	// Removed were asked to be unpinned, and are gone; RemovalsRefused stay, for the reason given.
	Removed, RemovalsRefused List
	// RemovalsFailed counts those of Failed that were to be removed.
	RemovalsFailed int
	// Invalid are texts of the mapping or of buckets that are no CIDs; nothing can be done about them here.
	Invalid List
	// Extra counts what the backend holds and nobody asked for (Reconcile only). It is never deleted.
	Extra int
	// Bytes that were put.
	Bytes int64
	// Cleared says that no unsynced action is left.
	Cleared bool
	// After is what the marks say now; nil when nothing was cleared.
	After *home.Dirty
	// Blocked says why it can't go on by itself: "no source for N pins (tried: ...)"; empty when it can.
	Blocked string
	// NeedReconcile says that only a whole comparison can satisfy what is left, and NeedWhy why.
	NeedReconcile bool
	// NeedWhy says why; empty where there is no need.
	NeedWhy string
	// SentinelID is the identity to remember for the next sync; empty: none was seen.
	SentinelID string
}

// Complete says that everything that was looked at is stored.
func (o *Outcome) Complete() bool {
	return o.Failed.Count == 0 && o.Pending.Count == 0 && o.NoSource.Count == 0 && o.RemovalsRefused.Count == 0
}

func (o *Outcome) need(why string) {
	o.NeedReconcile = true
	if o.NeedWhy == "" {
		o.NeedWhy = why
	}
}

// block says what has no source, and where it was looked for.
func (o *Outcome) block(tried []string) {
	if o.NoSource.Count == 0 {
		return
	}
	pins := "pins"
	if o.NoSource.Count == 1 {
		pins = "pin"
	}
	where := "no source of content is configured"
	if len(tried) > 0 {
		where = "tried: " + strings.Join(tried, ", ")
	}
	o.Blocked = fmt.Sprintf("%s%d %s (%s)", status.NoSource, o.NoSource.Count, pins, where)
}
