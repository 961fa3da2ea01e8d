package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ipfskit.org/intelligent/internal/backend"
)

// Manifest says what one backup holds. It is never changed.
type Manifest struct {
	// Format is 1.
	Format int `json:"format"`
	// Kind and Home are the set's.
	Kind string `json:"kind"`
	// Home is that of the set.
	Home string `json:"home_id"`
	// Seq counts the backups of a set; the clock may jump, this does not.
	Seq uint64 `json:"seq"`
	// Time is when it was made, in UTC.
	Time time.Time `json:"time"`
	// Program and Version made it.
	Program string `json:"program"`
	// Version of the program that made it.
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
	// Name is relative to the home, with slashes.
	Name string `json:"name"`
	// Size in bytes.
	Size int64 `json:"size"`
	// SHA256 of the content, in hex; its object is named by it.
	SHA256 string `json:"sha256"`
	// Modified is its mtime.
	Modified time.Time `json:"modified"`
	// Stamp is that of File; empty where it had none.
	Stamp string `json:"stamp,omitempty"`
}

const (
	format      = 1
	programName = "ipfs-kit-intelligent"
	maxManifest = 256 << 20
	maxName     = 4096
)

// Bytes is what all files have together.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// encode gives the manifest's text and the sum that goes into its name.
func (m *Manifest) encode() (data []byte, sum string, err error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(m); err != nil {
		return nil, "", fmt.Errorf("encode the manifest: %w", err)
	}
	h := sha256.Sum256(buf.Bytes())
	return buf.Bytes(), hex.EncodeToString(h[:8]), nil
}

// ParseManifest reads a manifest, which may be anybody's: every name and hash in
// it is checked. What is wrong with it is a *backend.CorruptError.
func ParseManifest(data []byte) (Manifest, error) {
	bad := func(err error) (Manifest, error) {
		return Manifest{}, &backend.CorruptError{What: "the manifest", Err: err}
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return bad(err)
	}
	if m.Format != format {
		return bad(fmt.Errorf("its format is %d, this program reads %d: use the version that made it (%.40q)", m.Format, format, m.Version))
	}
	if err := (Set{Home: m.Home, Kind: m.Kind}).check(); err != nil {
		return bad(err)
	}
	names := make([]string, len(m.Files))
	for i, f := range m.Files {
		names[i] = f.Name
		if f.Size < 0 || !isSum(f.SHA256) {
			return bad(fmt.Errorf("file %.80q has size %d and SHA-256 %.80q", f.Name, f.Size, f.SHA256))
		}
	}
	if err := checkNames(names); err != nil {
		return bad(err)
	}
	return m, nil
}

// StagePrefix begins the names of the folders in which a restore prepares files and keeps the old ones.
const StagePrefix = ".ipfs-kit-restore-"

// checkNames refuses names that are not plain, that stand twice, or that would be file and folder at once.
func checkNames(names []string) error {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	seen := make(map[string]bool, len(sorted))
	for i, name := range sorted {
		if err := checkName(name); err != nil {
			return err
		}
		if i > 0 && sorted[i-1] == name {
			return fmt.Errorf("file name %q stands twice", name)
		}
		for j := strings.IndexByte(name, '/'); j >= 0; {
			if seen[name[:j]] {
				return fmt.Errorf("%q is a file and a folder at once", name[:j])
			}
			next := strings.IndexByte(name[j+1:], '/')
			if next < 0 {
				break
			}
			j += 1 + next
		}
		seen[name] = true
	}
	return nil
}

func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("file name %.40q... has %d bytes", name, len(name))
	case !utf8.ValidString(name):
		return fmt.Errorf("file name %q is no UTF-8: rename it, else nothing can be backed up", name)
	case name == "." || !fs.ValidPath(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("file name %q: it must be relative, without empty parts, and without parts . or .. in it", name)
	case strings.HasPrefix(name, StagePrefix):
		return fmt.Errorf("file name %q: names that begin with %s are for restores alone", name, StagePrefix)
	}
	return nil
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}

var wordPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (s Set) check() error {
	if !wordPattern.MatchString(s.Home) || !wordPattern.MatchString(s.Kind) {
		return fmt.Errorf("a set of backups of home %.80q and kind %.80q: letters, digits, - and _ are allowed, 64 of them", s.Home, s.Kind)
	}
	return nil
}

func (s Set) prefix() string { return "manifests/" + s.Home + "/" + s.Kind + "/" }

const objectsPrefix = "objects/"

func objectName(sum string) string { return objectsPrefix + sum[:2] + "/" + sum }

// ref is a manifest as its name tells it.
type ref struct {
	set  Set
	seq  uint64
	sum  string
	name string
}

var refPattern = regexp.MustCompile(`^manifests/([A-Za-z0-9_-]{1,64})/([A-Za-z0-9_-]{1,64})/([0-9]{10,19})-[0-9]{8}T[0-9]{6}Z-([0-9a-f]{16})\.manifest\.json$`)

func refName(m *Manifest, sum string) string {
	return fmt.Sprintf("%s%010d-%s-%s.manifest.json", Set{Home: m.Home, Kind: m.Kind}.prefix(), m.Seq, m.Time.UTC().Format("20060102T150405Z"), sum)
}

func parseRef(name string) (ref, bool) {
	p := refPattern.FindStringSubmatch(name)
	if p == nil {
		return ref{}, false
	}
	var seq uint64
	if _, err := fmt.Sscanf(p[3], "%d", &seq); err != nil {
		return ref{}, false
	}
	return ref{set: Set{Home: p[1], Kind: p[2]}, seq: seq, sum: p[4], name: name}, true
}
