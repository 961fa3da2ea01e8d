package home

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"

	"ipfskit.org/intelligent/internal/fsys"
)

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// cachedConfig is what was made of one file.
type cachedConfig struct {
	stamp stamp
	sure  bool
	// config is what it says; of a file that says the same as the one that beats it, what that one says.
	config *Config
	// beaten: its settings were not kept.
	beaten bool
}

// Configs reads all configurations of both layouts; backends/ wins over
// backend_configs/. One that can't be parsed is there with its Err. They must not be
// changed: as long as a file is the same, so is what is given for it.
func (h *Home) Configs(ctx context.Context) (map[string]*Config, []Problem, error) {
	out := map[string]*Config{}
	var problems []Problem
	for _, dir := range []string{dirBackends, dirConfigs} {
		var failed error
		err := h.scan(ctx, dir, func(e fsys.Entry, look func(string) (fsys.Look, error)) {
			kind, name := Classify(path.Join(dir, e.Name))
			if failed != nil || kind != BackendConfig || !safeName(name) || e.IsDir() {
				return
			}
			winner := out[name]
			l, err := look(e.Name)
			if absent(err) {
				return
			}
			c, there, err := h.readConfig(ctx, path.Join(dir, e.Name), name, winner, plainStamp(l, err))
			if err != nil || !there {
				failed = err
				return
			}
			if c == winner {
				return
			}
			if c.Err != nil && c.Enabled { // nobody asks what is wrong with one that is left alone
				problems = append(problems, Problem{File: c.File, Err: c.Err})
			}
			if winner == nil {
				out[name] = c
			} else if !winner.same(c) {
				differs := *winner
				differs.Differs = c.File
				out[name] = &differs
			}
		})
		if err := errors.Join(err, failed); err != nil {
			return nil, nil, err
		}
	}
	return out, problems, nil
}

// readConfig reads one file, from memory if it is the same as before; st is how it is now. Of one that
// is beaten by another file only what tells whether the two differ is kept; the winner is given where they don't.
func (h *Home) readConfig(ctx context.Context, file, name string, winner *Config, st stamp) (*Config, bool, error) {
	h.mu.Lock()
	c, known := h.config[file]
	h.mu.Unlock()
	if known && c.sure && c.stamp == st && c.serves(file, winner) {
		return c.config, true, nil
	}
	data, st, err := h.read(ctx, file, maxConfig)
	if absent(err) {
		return nil, false, nil
	}
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	cfg := &Config{Name: name, File: file, Enabled: true, Priority: 100}
	if err != nil {
		cfg.Err = err
	} else {
		parseConfig(cfg, data)
		cfg.checkPlace(h.root.Path())
	}
	switch {
	case winner == nil:
	case cfg.Err == nil && winner.Err == nil && winner.same(cfg):
		cfg = winner
	default:
		cfg.Settings = nil
	}
	h.mu.Lock()
	h.config[file] = cachedConfig{stamp: st, config: cfg, sure: !st.fresh(h.clk.Now()), beaten: winner != nil}
	h.mu.Unlock()
	return cfg, true, nil
}

// serves tells whether what is known of a file is enough, as the file stands to the one that beats it (nil: none does).
func (c cachedConfig) serves(file string, winner *Config) bool {
	if winner == nil {
		return !c.beaten
	}
	return c.config == winner || c.config.File == file
}

// parseConfig reads a document of either layout into c.
func parseConfig(c *Config, data []byte) {
	var doc map[string]any
	if err := unmarshalYAML(data, &doc); err != nil {
		c.Err = fmt.Errorf("%s: %s", c.File, strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if doc == nil {
		c.Err = fmt.Errorf("%s: it is empty", c.File)
		return
	}
	c.interpret(doc)
}

// unmarshalYAML reads YAML; the library bounds aliases, and its panics are errors.
func unmarshalYAML(data []byte, to any) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it can't be parsed: %v", v)
		}
	}()
	return yaml.Unmarshal(data, to)
}
