package status

import (
	"strings"

	"ipfskit.org/intelligent/internal/human"
)

// NoSource begins the reason of a backend that is blocked for content that nobody here has.
const NoSource = "no source for "

// Why a removal that a mark asks for waits: what can be done about it differs, see MendBlocked.
const (
	RemovalsMany       = "may be without a person's word"                             // too many at once
	RemovalWanted      = "a bucket or a local pin still wants it here"                // two wishes that differ
	RemovalElsewhere   = "the backend is not known to be the one it was"              // its identity is another one
	RemovalForeign     = "the mapping does not have it, so it may be somebody else's" // never ours
	RemovalUnsupported = "this type of backend can't remove"                          // the adapter has no such operation
)

// WantsContent tells a backend that waits for content from one that waits for a person, by why it is blocked.
func WantsContent(blocked string) bool { return strings.HasPrefix(blocked, NoSource) }

// MendBlocked is what a person can do about a backend whose sync waits for one, by why it is blocked.
func MendBlocked(name, blocked string) string {
	flag, says := " --backend "+human.Shell(name), func(why string) bool { return strings.Contains(blocked, why) }
	sync, word := "ipfs-kit-intelligent sync"+flag, "ipfs-kit-intelligent sync --reconcile"+flag
	dismiss := "; or give them up: ipfs-kit-intelligent dismiss " + human.Argument(name)
	switch {
	case says(RemovalsMany):
		return "see which: ipfs-kit-intelligent sync --dry-run --reconcile" + flag + "; have them removed: " + word + dismiss
	case says(RemovalElsewhere):
		return "see that it is the right one, and say so: " + word + dismiss
	case says(RemovalWanted):
		return "take it out of what wants it here, then: " + sync + dismiss
	case says(RemovalForeign), says(RemovalUnsupported):
		return "remove it there by other means, then: " + sync + dismiss
	}
	return "see to that, then: " + sync
}
