package home

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unique"
)

// TypeFilesystem is the canonical name of everything that is a folder of this machine.
const TypeFilesystem = "filesystem"

// aliases of types, as upstream spells them.
var aliases = map[string]string{
	"local": TypeFilesystem, "local_fs": TypeFilesystem, "local_storage": TypeFilesystem, "parquet": TypeFilesystem, "file": TypeFilesystem,
	"cluster": "ipfs_cluster", "web3storage": "storacha", "ftps": "ftp", "google_drive": "gdrive", "g_drive": "gdrive",
	"digital_ocean": "digitalocean", "hugging_face": "huggingface", "kubo": "ipfs",
}

// CanonicalType gives the one name of a type that has several.
func CanonicalType(raw string) string {
	t := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(raw)), "-", "_")
	if c, ok := aliases[t]; ok {
		return c
	}
	return t
}

// Config is the configuration of one backend, from either layout.
type Config struct {
	// Name is the stem of the file.
	Name string
	// Type is canonical, RawType as the file has it.
	Type, RawType string
	// Enabled is false only where the file says so.
	Enabled bool
	// Settings are the keys that mean something to the backend's type alone, those of the nested layout's config lifted up.
	Settings Settings
	// File is relative to the home.
	File string
	// Priority orders backends where one must be chosen: lower first, 100 unless the file says otherwise.
	Priority int
	// Backup says whether it is a target of backups; nil: it may be chosen.
	Backup *bool
	// Content is "records" where records of pins are wanted instead of content.
	Content string
	// Paused by the configuration.
	Paused bool
	// Limits of what it is asked for.
	Limits BackendLimits
	// Err is why the file can't be used; the rest is empty then.
	Err error
	// Differs says that the other layout has a file of the same name that says something else.
	Differs string

	target string // of Target, made when it was read
}

// Settings are keys and values of a configuration: a list, because a map takes three times as much for the few there are.
type Settings []setting

type setting struct {
	key   string
	value any
}

// All goes through keys and values.
func (s Settings) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, e := range s {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// get gives a key's value; nil where it is not set.
func (s Settings) get(key string) any {
	for _, e := range s {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// BackendLimits bound what a backend is asked for.
type BackendLimits struct {
	// Transfers at once; 0: the type's default.
	Transfers int
	// BytesPerSecond and OpsPerSecond; 0: no limit.
	BytesPerSecond, OpsPerSecond int64
}

// String gives the first of the keys that is set to something, else "".
func (c *Config) String(keys ...string) string {
	for _, k := range keys {
		if v := text(c.Settings.get(k)); v != "" {
			return v
		}
	}
	return ""
}

// text is a value as it is written; empty for none.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	}
	return fmt.Sprint(v)
}

// truth is a value that says yes or no, also in the words that YAML 1.1 and so Python take for one; ok is false where it says neither.
func truth(v any) (yes, ok bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case string:
		switch strings.ToLower(x) {
		case "yes", "on":
			return true, true
		case "no", "off":
			return false, true
		}
		yes, err := strconv.ParseBool(strings.ToLower(x))
		return yes, err == nil
	}
	return false, false
}

// pathKeys are the spellings of a filesystem backend's root.
var pathKeys = []string{"storage_path", "path", "base_path", "mount_point", "root", "root_path", "directory"}

// RootPath is the folder of a filesystem backend, empty for other types or where none is configured.
func (c *Config) RootPath() string {
	if c.Type != TypeFilesystem {
		return ""
	}
	return strings.TrimPrefix(c.String(pathKeys...), "file://")
}

// endpointKeys are the spellings of where other types lie.
var endpointKeys = []string{"endpoint", "endpoint_url", "api_url", "api_endpoint", "url", "hostname", "host", "ssh_host", "node_url", "lotus_rpc_url", "repo"}

// Endpoint says where the backend lies, for people: never with credentials.
func (c *Config) Endpoint() string {
	if p := c.RootPath(); p != "" || c.IsFilesystem() {
		return p
	}
	return withoutCredentials(c.String(endpointKeys...))
}

// withoutCredentials cuts user, password, query and fragment out of an address. A path has none of them.
func withoutCredentials(s string) string {
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") || strings.HasPrefix(s, "file://") {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" { // user:password@host, or what is no URL for its password
		s = s[strings.LastIndexByte(s, '@')+1:]
		if end := strings.IndexAny(s, "?#"); end >= 0 {
			s = s[:end]
		}
		return s
	}
	if u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return s
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// Target is the backend's identity: a configuration with another target is
// another place, where nothing is stored yet (architecture, law 12). It holds no secret.
func (c *Config) Target() string {
	if c.target != "" {
		return c.target
	}
	place := c.Endpoint()
	if c.Type == TypeFilesystem && place != "" {
		place = filepath.Clean(place)
	}
	return strings.Join([]string{c.Type, place, c.String("bucket_name", "bucket", "folder_id", "default_folder_id", "branch"),
		c.String("port"), c.String("remote_base_path", "remote_path", "base_path")}, "|")
}

// IsFilesystem tells whether the type lies on a file system of this machine.
func (c *Config) IsFilesystem() bool { return c.Type == TypeFilesystem }

// commonKeys are those that interpret gives a field of its own, and the name, which the file has.
var commonKeys = []string{"name", "type", "enabled", "priority", "backup", "content", "paused", "limits"}

// interpret fills the fields that mean the same for every type.
func (c *Config) interpret(doc map[string]any) {
	all := maps.Clone(doc)
	if nested, ok := doc["config"].(map[string]any); ok {
		delete(all, "config")
		maps.Copy(all, nested)
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(commonKeys, k) {
			c.Settings = append(c.Settings, setting{unique.Make(k).Value(), all[k]})
		}
	}
	c.Settings = slices.Clip(c.Settings)
	c.RawType, _ = doc["type"].(string) //nolint:errcheck // another type of value is no type
	c.Type = CanonicalType(c.RawType)
	if c.Type == "" {
		c.Err = fmt.Errorf("%s: key \"type\" is missing: say what the backend is, for example type: filesystem", c.File)
	}
	if c.Type == TypeFilesystem && c.Err == nil {
		c.checkRoot()
	}
	c.target = c.Target()
	c.Enabled = true
	if v, ok := truth(doc["enabled"]); ok {
		c.Enabled = v
	}
	c.Priority = 100
	if n, ok := integer(all["priority"]); ok {
		c.Priority = int(n)
	}
	if v, ok := truth(all["backup"]); ok {
		c.Backup = &v
	}
	c.Content = text(all["content"])
	c.Paused, _ = truth(all["paused"])
	if l, ok := all["limits"].(map[string]any); ok {
		n, _ := integer(l["transfers"]) //nolint:errcheck // not a number is no limit
		c.Limits.Transfers = int(n)
		c.Limits.BytesPerSecond, _ = integer(l["bytes_per_second"])
		c.Limits.OpsPerSecond, _ = integer(l["ops_per_second"])
	}
}

// checkRoot refuses a root that is missing or relative: relative to what nobody can say.
func (c *Config) checkRoot() {
	root := c.RootPath()
	switch {
	case root == "":
		c.Err = fmt.Errorf("%s: no path is set: say where the folder is, for example storage_path: /mnt/disk (also accepted: %s)", c.File, strings.Join(pathKeys[1:], ", "))
	case !filepath.IsAbs(root):
		c.Err = fmt.Errorf("%s: the path %q is relative: write it from the root, for example /mnt/disk", c.File, root)
	}
}

// checkPlace refuses a folder that the backend can't have for itself.
func (c *Config) checkPlace(home string) {
	if c.Err != nil || !c.IsFilesystem() {
		return
	}
	if err := CheckPlace(c.RootPath(), home); err != nil {
		c.Err = fmt.Errorf("%s: %w", c.File, err)
	}
}

// CheckPlace refuses a folder that a backend can't have for itself: the machine's
// root, and the home, whose cars/ and backups would be taken for the backend's.
// It goes by the names alone: a look at the folder may hang.
func CheckPlace(root, home string) error {
	switch filepath.Clean(root) {
	case "/":
		return errors.New("its path is /, the whole machine: give it a folder of its own, for example /mnt/disk/ipfs")
	case filepath.Clean(home):
		return fmt.Errorf("its path %q is the home itself: give it a folder of its own, for example on another disk", root)
	}
	return nil
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(min(n, 1<<62)), true //nolint:gosec // bounded
	case float64:
		return int64(n), n == float64(int64(n))
	}
	return 0, false
}

// same tells whether two configurations say the same about the backend itself.
func (c *Config) same(o *Config) bool {
	if c.Type != o.Type || c.Enabled != o.Enabled || c.Target() != o.Target() {
		return false
	}
	return slices.Equal([]string{c.Content, fmt.Sprint(c.Backup != nil && *c.Backup), fmt.Sprint(c.Priority)},
		[]string{o.Content, fmt.Sprint(o.Backup != nil && *o.Backup), fmt.Sprint(o.Priority)})
}
