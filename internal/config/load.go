package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// Warning is something in a file that has no effect.
type Warning struct {
	// File is its path.
	File string
	// Line from 1 on.
	Line int
	// Text says what has no effect, and what may have been meant.
	Text string
}

// String is file, line and text.
func (w Warning) String() string { return fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Text) }

// Error collects everything that is wrong.
type Error struct {
	// Problems each name file, line and key where they are known.
	Problems []error
}

// Error is all problems, one a line.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// Load reads the files of the folders given, later ones winning by key: in each
// intelligent.yaml, then intelligent.d/*.yaml by name. A file that is not there
// is no error. A wrong value makes the whole configuration an *Error.
func Load(dirs []string) (*Config, []Warning, error) {
	c := Default()
	var warnings []Warning
	all, problems := files(dirs)
	for _, file := range all {
		data, err := read(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		w, errs := c.apply(file, data)
		warnings = append(warnings, w...)
		problems = append(problems, errs...)
	}
	c.finish()
	if c.Plan.RetryMin > c.Plan.RetryMax {
		problems = append(problems, fmt.Errorf("retry.min (%s) is longer than retry.max (%s); make it shorter", c.Plan.RetryMin, c.Plan.RetryMax))
	}
	if len(problems) > 0 {
		return nil, warnings, &Error{problems}
	}
	return c, warnings, nil
}

// files lists what may be read, in the order in which it counts. A folder that
// is there and can't be listed is an error: it may say what must not be missed.
func files(dirs []string) (out []string, problems []error) {
	for _, d := range dirs {
		out = append(out, filepath.Join(d, "intelligent.yaml"))
		more := filepath.Join(d, "intelligent.d")
		entries, err := os.ReadDir(more) // sorted
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("list the configuration files: %w", err))
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".yaml") && !strings.HasPrefix(e.Name(), ".") {
				out = append(out, filepath.Join(more, e.Name()))
			}
		}
	}
	return out, problems
}

func read(file string) ([]byte, error) {
	fi, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxFile {
		return nil, fmt.Errorf("%s: it is no regular file of at most %d bytes", file, maxFile)
	}
	return os.ReadFile(file)
}

// apply reads one file into c.
func (c *Config) apply(file string, data []byte) (warnings []Warning, problems []error) {
	defer func() {
		if v := recover(); v != nil {
			problems = append(problems, fmt.Errorf("%s: it can't be parsed: %v", file, v))
		}
	}()
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, []error{fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	if doc.Kind == 0 || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, []error{fmt.Errorf("%s:%d: it must be keys with values, such as\nlimits:\n  tasks: 6", file, root.Line)}
	}
	r := &reading{c: c, file: file}
	r.group("", root, 0)
	return r.warnings, r.problems
}

type reading struct {
	c        *Config
	file     string
	warnings []Warning
	problems []error
}

// group reads the keys of a mapping.
func (r *reading) group(prefix string, n *yaml.Node, depth int) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := prefix+n.Content[i].Value, n.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		line := n.Content[i].Line
		if seen[name] {
			r.problems = append(r.problems, fmt.Errorf("%s:%d: key %s stands there twice; keep one", r.file, line, name))
			continue
		}
		seen[name] = true
		k := find(name)
		switch {
		case k != nil:
			if err := k.set(r.c, value); err != nil {
				r.problems = append(r.problems, fmt.Errorf("%s:%d: %w", r.file, value.Line, err))
			}
			r.c.from[name] = fmt.Sprintf("%s:%d", r.file, line)
		case value.Kind == yaml.MappingNode && isGroup(name) && depth < 4:
			r.group(name+".", value, depth+1)
		case isGroup(name) && value.Tag == "!!null": // all its keys are commented out
		case isGroup(name):
			r.problems = append(r.problems, fmt.Errorf("%s:%d: key %s holds keys of its own; write them below it, indented", r.file, value.Line, name))
		default:
			r.unknown(name, line)
		}
	}
}

// maxWarnings and maxName bound what a file that is none of ours can cost.
const maxWarnings, maxName = 100, 100

// unknown warns of a key that is not known.
func (r *reading) unknown(name string, line int) {
	switch n := len(r.warnings); {
	case n > maxWarnings:
	case n == maxWarnings:
		r.warnings = append(r.warnings, Warning{r.file, line, "there are more unknown keys; is it the right file?"})
	case len(name) > maxName:
		r.warnings = append(r.warnings, Warning{r.file, line, fmt.Sprintf("key %s… is not known and has no effect", strings.ToValidUTF8(name[:maxName], ""))})
	default:
		r.warnings = append(r.warnings, Warning{r.file, line, fmt.Sprintf("key %s is not known and has no effect; did you mean %s?", name, nearest(name))})
	}
}

func find(name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

func isGroup(name string) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") })
}

// nearest is the known key that is spelled most alike.
func nearest(name string) string {
	best, least := "", 1<<30
	depth := strings.Count(name, ".") + 1
	for _, k := range keys {
		parts := strings.Split(k.name, ".")
		known := strings.Join(parts[:min(depth, len(parts))], ".") // a section, too, can be mistyped
		if d := distance(name, known); d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
