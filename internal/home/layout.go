package home

import (
	"path"
	"strings"
)

// Names of folders and files below the home. No other room knows them.
const (
	dirMarks        = "backend_index/dirty_metadata"
	dirState        = "backend_state"
	dirBackends     = "backends"
	dirConfigs      = "backend_configs"
	dirIndex        = "backend_index"
	dirBuckets      = "bucket_index"
	dirCars         = "cars"
	dirVFS          = "vfs_indices"
	dirBucketTables = "buckets"
	fileRegistry    = "backend_index/backend_registry.parquet"
	fileBuckets     = "bucket_index/bucket_registry.parquet"
	fileBucketsTop  = "bucket_registry.parquet"
	fileBucketsYAML = "bucket_registry.yaml"
	fileBucketsJSON = "bucket_registry.json"
	fileMapping     = "pin_mappings.parquet"
	nameMark        = "dirty_metadata"
	suffixMark      = "_dirty.json"
	tempPrefix      = ".ipfs-kit-intelligent-"
)

// Kind tells what a file of the home is.
type Kind uint8

// Kinds of files.
const (
	// Foreign is nothing that this program reads, or a temporary file of its own.
	Foreign Kind = iota
	// Mark is a dirty mark of a backend, in any of its places.
	Mark
	// BackendConfig is a backend's configuration.
	BackendConfig
	// BackendDir is a backend's own folder.
	BackendDir
	// Registry is the backend registry.
	Registry
	// BucketFile is a bucket registry or an index of a bucket.
	BucketFile
	// Mapping is a backend's pin mapping.
	Mapping
	// CAR is content.
	CAR
	// Hint says that something changed, but not what: .needs_sync, filesystem_dirty.flag, a .dirty flag.
	Hint
)

// FixedDirs are the folders that hold what is watched, whatever backends there are; any may be missing.
func FixedDirs() []string {
	return []string{".", dirMarks, dirState, dirBackends, dirConfigs, dirIndex, dirBuckets, dirCars}
}

// BackendDirs are the folders of one backend that are watched.
func BackendDirs(name string) []string {
	return []string{path.Join(dirBackends, name), path.Join(dirBackends, name, nameMark)}
}

// Classify tells what a name below the home is, and whose.
func Classify(rel string) (kind Kind, backend string) {
	dir, base := path.Split(path.Clean(rel))
	dir = strings.TrimSuffix(dir, "/")
	if strings.HasPrefix(base, ".") && base != ".needs_sync" && !globbed(dir, base) || strings.HasSuffix(base, ".tmp") {
		return Foreign, ""
	}
	switch dir {
	case "":
		return classifyTop(base)
	case dirMarks:
		if name, ok := strings.CutSuffix(base, suffixMark); ok {
			return Mark, name
		}
		if name, ok := strings.CutSuffix(base, ".dirty"); ok {
			return Mark, name // the flag is a hint, and says where to look
		}
	case dirState:
		if name, ok := strings.CutSuffix(base, suffixMark); ok {
			return Mark, name
		}
	case dirBackends:
		if name, ok := strings.CutSuffix(base, ".yaml"); ok {
			return BackendConfig, name
		}
		return BackendDir, base
	case dirConfigs:
		if name, ok := strings.CutSuffix(base, ".yaml"); ok {
			return BackendConfig, name
		}
	case dirIndex:
		if rel == fileRegistry {
			return Registry, ""
		}
		if base == "filesystem_dirty.flag" {
			return Hint, ""
		}
	case dirBuckets:
		return BucketFile, ""
	case dirCars:
		return CAR, strings.TrimSuffix(base, ".car")
	}
	if rest, ok := strings.CutPrefix(dir, dirBackends+"/"); ok {
		return classifyBackend(rest, base)
	}
	return Foreign, ""
}

// globbed tells whether a name with a leading dot is one that upstream's glob patterns
// find: they mind no dots. What macOS (._NAME) and Emacs (.#NAME) put beside a file is none.
func globbed(dir, base string) bool {
	if strings.HasPrefix(base, "._") || strings.HasPrefix(base, ".#") {
		return false
	}
	switch dir {
	case dirMarks, dirState:
		return strings.HasSuffix(base, suffixMark)
	case dirBackends, dirConfigs:
		return strings.HasSuffix(base, ".yaml")
	}
	return false
}

func classifyTop(base string) (Kind, string) {
	switch base {
	case fileBucketsTop, fileBucketsYAML, fileBucketsJSON:
		return BucketFile, ""
	case ".needs_sync":
		return Hint, ""
	}
	return Foreign, ""
}

// classifyBackend is for names below a backend's own folder.
func classifyBackend(rest, base string) (Kind, string) {
	name, below, nested := strings.Cut(rest, "/")
	switch {
	case !nested && base == nameMark:
		return Mark, name
	case !nested && base == fileMapping:
		return Mapping, name
	case nested && below == nameMark:
		return Mark, name
	}
	return Foreign, ""
}

// safeName tells whether a name from a file can be part of a path.
func safeName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00") && len(name) <= 200
}

// BackendsDir holds a folder for each backend, and MarkDir is its mark below that.
const (
	BackendsDir = dirBackends
	MarkDir     = nameMark
)
