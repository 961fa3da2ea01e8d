package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Paths are the places of one service (contract section 1).
type Paths struct {
	// Home is the ~/.ipfs_kit that is served.
	Home string
	// Config are the folders of configuration, the last one wins.
	Config []string
	// State is the folder of the own database, Runtime that of sockets.
	State, Runtime string
	// Credentials is the folder of those that the service manager gave to this process; empty for none.
	Credentials string
}

// FindPaths says where everything lies, from the environment; all of it absolute.
func FindPaths(getenv func(string) string, system bool) (Paths, error) {
	p := Paths{Config: []string{"/etc/ipfs-kit"}, Home: getenv("IPFS_KIT_HOME"), Credentials: getenv("CREDENTIALS_DIRECTORY")}
	if p.Home != "" {
		abs, err := filepath.Abs(p.Home)
		if err != nil {
			return p, fmt.Errorf("find the home: %w", err)
		}
		p.Home = abs
	}
	if system {
		p.State, p.Runtime = "/var/lib/ipfs-kit-intelligent", "/run/ipfs-kit-intelligent"
		if p.Home == "" {
			p.Home = "/var/lib/ipfs-kit"
		}
		return p, nil
	}
	home := getenv("HOME")
	or := func(env, def string) string {
		if v := getenv(env); filepath.IsAbs(v) {
			return v
		}
		return filepath.Join(home, def)
	}
	if !filepath.IsAbs(home) && (p.Home == "" || !filepath.IsAbs(getenv("XDG_STATE_HOME")) || !filepath.IsAbs(getenv("XDG_CONFIG_HOME"))) {
		return p, fmt.Errorf("HOME is %q, no absolute path: set it, or IPFS_KIT_HOME, XDG_STATE_HOME and XDG_CONFIG_HOME", home)
	}
	if p.Home == "" {
		p.Home = filepath.Join(home, ".ipfs_kit")
	}
	p.Config = append(p.Config, filepath.Join(or("XDG_CONFIG_HOME", ".config"), "ipfs-kit"))
	p.State = filepath.Join(or("XDG_STATE_HOME", ".local/state"), "ipfs-kit-intelligent")
	if run := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		p.Runtime = filepath.Join(run, "ipfs-kit-intelligent")
		return p, nil
	}
	tmp := getenv("TMPDIR")
	if !filepath.IsAbs(tmp) {
		tmp = "/tmp"
	}
	p.Runtime = filepath.Join(tmp, "ipfs-kit-intelligent-"+strconv.Itoa(os.Getuid()))
	return p, nil
}

// EnsureRuntime makes the runtime folder, and refuses one that others could have made or can write to.
func EnsureRuntime(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the runtime folder: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the runtime folder: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.IsDir() || !ok || int(st.Uid) != os.Getuid() || fi.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("the runtime folder %s is not a folder that belongs to this user alone (mode 0700); remove it, or set XDG_RUNTIME_DIR", dir)
	}
	return nil
}
