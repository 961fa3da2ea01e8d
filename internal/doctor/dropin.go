package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/fsys"
	"ipfskit.org/intelligent/systemd"
)

// DropIn is the whole sandbox for the user unit, with the folders of this home
// named: itself, the service's state, and the roots of all backends.
func DropIn(ctx context.Context, o Options) (string, error) {
	roots, err := rootsOf(ctx, o)
	if err != nil {
		return "", err
	}
	folders := append([]string{o.Paths.Home, o.Paths.State}, roots...)
	var sb strings.Builder
	for line := range strings.Lines(systemd.Hardened) {
		switch {
		case strings.HasPrefix(line, "#") && sb.Len() == 0, strings.HasPrefix(line, "ReadWritePaths=-%h"):
		case strings.HasPrefix(line, "ExecStartPre="):
			fmt.Fprintf(&sb, "ExecStartPre=+/bin/mkdir -p -m 700 %s\n", strings.ReplaceAll(systemd.Quote(o.Paths.State, ""), "$", "$$"))
		case line == "PrivateTmp=yes\n" && slices.ContainsFunc(folders, func(path string) bool { real, _ := resolve(ctx, o, path); return fsys.BelowTemporary(real) }):
			sb.WriteString("# A folder below lies in /tmp or /var/tmp.\nPrivateTmp=no\n")
		default:
			sb.WriteString(line)
		}
	}
	for _, path := range folders {
		if strings.ContainsAny(path, "\n\r") {
			fmt.Fprintf(&sb, "# %q has a line break in it, which systemd can't read\n", path)
			continue
		}
		fmt.Fprintf(&sb, "ReadWritePaths=%s\n", systemd.Quote(path, "-"))
	}
	return head + sb.String(), nil
}

const head = `# Written by ipfs-kit-intelligent doctor --drop-in. A folder that is not named is
# read-only in here; write it anew when a backend with another folder is configured.
`

// rootsOf lists the folders of all backends, sorted. Without a home there are none yet.
func rootsOf(ctx context.Context, o Options) ([]string, error) {
	got, err := openHome(ctx, o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which folders are configured: %w", err)
	}
	defer got.home.Close() //nolint:errcheck // only read
	var roots []string
	for _, name := range got.cat.Names() {
		if b, ok := got.cat.Get(name); ok {
			if path := folderOf(b); path != "" {
				roots = append(roots, filepath.Clean(path))
			}
		}
	}
	slices.Sort(roots)
	return slices.Compact(roots), nil
}

// InstallDropIn puts a drop-in in place, whole or not at all, and has the
// manager read it. It gives the file, also where the manager did not.
func InstallDropIn(ctx context.Context, o Options, text string) (string, error) {
	config := o.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(o.Getenv("HOME"), ".config")
	}
	dir := filepath.Join(config, "systemd", "user", unitName+".d")
	file := filepath.Join(dir, "hardened.conf")
	if !filepath.IsAbs(file) {
		return "", errors.New("install the drop-in: HOME is not set")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of the drop-in: %w", err)
	}
	if err := replaceFile(file, text); err != nil {
		return "", fmt.Errorf("write the drop-in: %w", err)
	}
	if _, err := o.Systemctl(ctx, "daemon-reload"); err != nil {
		return file, fmt.Errorf("%s is written, but the service manager did not read it: %w", file, err)
	}
	return file, nil
}

// replaceFile writes a file beside and renames it.
func replaceFile(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".hardened-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
