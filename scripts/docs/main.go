// Command docs makes docs/reference and the man pages from what they describe: the tree of commands, the interface
// files of the bus, the schemas, the keys of the configuration, and the codes in the source.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const generated = "<!-- Made by `make docs`; what is changed here is lost. -->\n\n"

func main() {
	pages, err := generate(".")
	if err == nil {
		err = write(".", pages)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

// generate makes all pages, by their paths below the project's folder.
func generate(root string) (map[string]string, error) {
	pages := map[string]string{
		"docs/reference/commands.md":      commandsPage(),
		"docs/reference/configuration.md": configurationPage(),
	}
	for path, make := range map[string]func(string) (string, error){
		"docs/reference/dbus.md":    dbusPage,
		"docs/reference/schemas.md": schemasPage,
		"docs/reference/doctor.md":  doctorPage,
		"docs/reference/journal.md": journalPage,
	} {
		text, err := make(root)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
		pages[path] = text
	}
	maps.Copy(pages, manPages())
	for path, text := range pages {
		pages[path] = strings.TrimRight(text, "\n") + "\n"
	}
	return pages, nil
}

// places are the folders that hold nothing but what is generated.
var places = []string{"docs/reference", "packaging/man"}

func write(root string, pages map[string]string) error {
	for _, p := range places {
		if err := os.RemoveAll(filepath.Join(root, p)); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(root, p), 0o755); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		if err := os.WriteFile(filepath.Join(root, path), []byte(pages[path]), 0o644); err != nil {
			return err
		}
	}
	return nil
}
