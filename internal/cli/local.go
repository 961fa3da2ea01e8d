package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/parquetfile"
	"ipfskit.org/intelligent/internal/redact"
	"ipfskit.org/intelligent/internal/status"
)

// localCommands need no running service.
func (a *app) localCommands() []*cobra.Command {
	version := &cobra.Command{Use: "version", Short: "The program's version", Args: takes(0, 0), RunE: func(*cobra.Command, []string) error { return a.showVersion() }}
	inspect := &cobra.Command{Use: "inspect FILE", Short: "A file of the home as the service reads it, without its secrets", Args: takes(1, 1),
		RunE: a.do(func(ctx context.Context, args []string) error {
			err := a.inspect(ctx, args[0])
			if err != nil && ctx.Err() == nil {
				err = &fault{code: ExitFailed, err: err, next: "see which files of the home can't be read, and why: " + a.name + " doctor"}
			}
			return err
		})}
	return []*cobra.Command{version, inspect, a.configCommand(), a.doctorCommand()}
}

func (a *app) showVersion() error {
	if a.json {
		return a.printMade(status.VersionDocument(Version))
	}
	a.say(Version)
	return nil
}

// inspect prints a JSON object a row of a parquet file, or one for a JSON or YAML document.
func (a *app) inspect(ctx context.Context, file string) error {
	limits := parquetfile.DefaultLimits()
	data, err := readFile(ctx, file, limits.FileBytes)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	switch ext := strings.ToLower(filepath.Ext(file)); {
	case len(data) == 0:
		return fmt.Errorf("%s: it is empty", file)
	case ext == ".yaml" || ext == ".yml":
		var doc any
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return a.printDocument(file, plainValue(doc))
	case ext == ".json" || ext != ".parquet" && len(data) > 0 && (data[0] == '{' || data[0] == '['):
		doc, err := home.JSON(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return a.printDocument(file, doc)
	}
	t, err := parquetfile.Read(data, nil, limits)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for i := range t.NumRows() {
		row, err := t.JSONRow(i)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := a.printRow(file, row); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads a regular file of at most limit bytes, wherever links lead; a disk that hangs is left when ctx ends.
func readFile(ctx context.Context, file string, limit int64) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := func() ([]byte, error) {
			real, err := filepath.EvalSymlinks(file)
			if err != nil {
				return nil, err
			}
			root, err := fsys.OpenRoot(filepath.Dir(real))
			if err != nil {
				return nil, err
			}
			defer root.Close() //nolint:errcheck // only read
			data, _, err := fsys.ReadFile(root, filepath.Base(real), limit)
			return data, err
		}()
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		var pe *fs.PathError
		if errors.As(r.err, &pe) { // its name is told by the caller, as it was typed
			return nil, pe.Err
		}
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// plainValue makes what YAML can hold what JSON can: names as keys, and texts for numbers that JSON has not.
func plainValue(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for key, e := range x {
			x[key] = plainValue(e)
		}
	case map[any]any:
		out := make(map[string]any, len(x))
		for key, e := range x {
			out[fmt.Sprint(key)] = plainValue(e)
		}
		return out
	case []any:
		for i, e := range x {
			x[i] = plainValue(e)
		}
	case float64:
		switch {
		case math.IsNaN(x):
			return "NaN"
		case math.IsInf(x, 1):
			return "Infinity"
		case math.IsInf(x, -1):
			return "-Infinity"
		}
	}
	return v
}

// printRow prints a row as it is, its columns in their order, unless it holds secrets.
func (a *app) printRow(file string, row []byte) error {
	doc, err := home.JSON(row)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if !reflect.DeepEqual(redact.Document(doc), doc) {
		return a.printDocument(file, doc)
	}
	_, err = fmt.Fprintf(a.env.Stdout, "%s\n", row)
	return err
}

// printDocument prints a document without its secrets: what is shown is also sent to others who help.
func (a *app) printDocument(file string, doc any) error {
	enc := json.NewEncoder(a.env.Stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(redact.Document(doc)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// configCommand checks and shows the service's own configuration.
func (a *app) configCommand() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "The service's own configuration", Args: cobra.ArbitraryArgs, RunE: a.group}
	load := func() (c *config.Config, warnings []string, err error) {
		p, err := config.FindPaths(a.env.Getenv, a.system)
		if err != nil {
			return nil, nil, err
		}
		c, found, err := config.Load(p.Config)
		for _, w := range found {
			warnings = append(warnings, w.String())
		}
		return c, warnings, err
	}
	warn := func(warnings []string, err error) {
		if err != nil && a.json {
			return // the error is all that standard error holds then
		}
		for _, w := range warnings {
			a.note("warning: " + w)
		}
	}
	parent.AddCommand(
		&cobra.Command{Use: "check", Short: "Name the mistakes, with file, line and key", Args: takes(0, 0), RunE: a.do(func(context.Context, []string) error {
			_, warnings, err := load()
			if err == nil && a.json {
				return a.printMade(status.ConfigCheckDocument(warnings))
			}
			warn(warnings, err)
			if err != nil {
				return err
			}
			a.say("The configuration is right.")
			return nil
		})},
		&cobra.Command{Use: "show", Short: "The configuration that counts, defaults included", Args: takes(0, 0), RunE: a.do(func(context.Context, []string) error {
			c, warnings, err := load()
			warn(warnings, err)
			if err != nil {
				return err
			}
			if a.json {
				settings := map[string]status.Setting{}
				for key, v := range c.Values() {
					settings[key] = status.Setting(v)
				}
				return a.printMade(status.ConfigShowDocument(settings))
			}
			fmt.Fprint(a.env.Stdout, c.Show())
			return nil
		})})
	return parent
}
