package backup

import "time"

// Manifest says what one backup holds. It is never changed.
type Manifest struct {
	// Format is 1.
	Format int `json:"format"`
	// Kind and Home are the set's.
	Kind string `json:"kind"`
	Home string `json:"home_id"`
	// Seq counts the backups of a set; the clock may jump, this does not.
	Seq uint64 `json:"seq"`
	// Time is when it was made, in UTC.
	Time time.Time `json:"time"`
	// Program and Version made it.
	Program string `json:"program"`
	Version string `json:"version"`
	// State is StateHash of the files.
	State string `json:"state"`
	// Files by name.
	Files []Entry `json:"files"`

	// Object is the name that the manifest lies under.
	Object string `json:"-"`
	// Fresh says that this run wrote it, rather than found that nothing had changed.
	Fresh bool `json:"-"`
}

// Entry is one file of a manifest.
type Entry struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	// SHA256 of the content, in hex; its object is named by it.
	SHA256   string    `json:"sha256"`
	Modified time.Time `json:"modified"`
	Stamp    string    `json:"stamp,omitempty"`
}
