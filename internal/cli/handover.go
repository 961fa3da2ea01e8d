package cli

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// errNoLegacy says that no other ipfs-kit is installed.
var errNoLegacy = errors.New("no other ipfs-kit in PATH")

// Main is the whole of the ipfs-kit program. Commands of "daemon intelligent"
// are ours; everything else belongs to the Python program, which replaces this
// process (same arguments, terminal, signals and exit status).
func Main(args []string, env Env) int {
	if len(args) >= 2 && args[0] == "daemon" && args[1] == "intelligent" {
		return run(args[2:], "ipfs-kit daemon intelligent", env)
	}
	if len(args) >= 3 && strings.HasPrefix(args[0], "__complete") && args[1] == "daemon" && args[2] == "intelligent" {
		return run(append([]string{args[0]}, args[3:]...), "ipfs-kit daemon intelligent", env)
	}
	if word, ours := completesOurs(args); ours {
		fmt.Fprintf(env.Stdout, "%s\n:%d\n", word, cobra.ShellCompDirectiveNoFileComp)
		return ExitDone
	}
	path, err := legacy(env)
	a := &app{env: env, name: "ipfs-kit daemon intelligent", json: asksJSON(args)}
	if err == nil {
		argv := append([]string{path}, args...)
		err = unix.Exec(path, argv, env.Environ)
		return a.report(&fault{code: 126, err: fmt.Errorf("start %s: %w", path, err)}, "ipfs-kit")
	}
	if !errors.Is(err, errNoLegacy) {
		return a.report(&fault{code: 127, err: err}, "ipfs-kit")
	}
	return a.withoutLegacy(args)
}

// completesOurs says that a shell asks for one of the two words that lead to our
// commands, once it is begun: the Python program need not be started for that.
func completesOurs(args []string) (word string, ours bool) {
	if len(args) < 2 || !strings.HasPrefix(args[0], "__complete") {
		return "", false
	}
	for i, word := range []string{"daemon", "intelligent"} {
		begun := args[1:]
		if len(begun) == i+1 && begun[i] != "" && strings.HasPrefix(word, begun[i]) {
			return word, true
		}
		if len(begun) <= i || begun[i] != word {
			break
		}
	}
	return "", false
}

// oldVerbs are the commands of the old daemon that act on this service where the old program is not installed.
var oldVerbs = map[string][]string{
	"start":   {"start", "--detach"},
	"stop":    {"stop"},
	"status":  {"status"},
	"restart": {"restart"},
	"logs":    {"logs"},
}

// withoutLegacy serves the old daemon's commands, and says what is missing for all others.
func (a *app) withoutLegacy(args []string) int {
	if len(args) >= 2 && args[0] == "daemon" {
		if verb, ok := oldVerbs[args[1]]; ok {
			if flag := oldFlag(args[2:]); flag != "" {
				return a.report(hint(a.name+" "+args[1]+" --help", "%s was a flag of the Python daemon, which is not installed; this service has none like it", flag), "ipfs-kit")
			}
			a.hint = fmt.Sprintf("the Python program is not installed; this acts on the ipfs-kit-intelligent service, as %s %s does.", a.name, args[1])
			if !a.json {
				fmt.Fprintf(a.env.Stderr, "ipfs-kit: %s\n", a.hint)
				a.hint = ""
			}
			return a.run(append(slices.Clone(verb), args[2:]...))
		}
	}
	what := fmt.Sprintf("%q is a command of", strings.Join(args, " "))
	if len(args) == 0 {
		what = "no command is given, and all but \"daemon intelligent\" are those of"
	}
	code := a.report(&fault{code: 127, err: fmt.Errorf("%s the Python program ipfs_kit_py, which is not in PATH", what),
		next: "install it (pip install ipfs_kit_py), or name it: IPFS_KIT_LEGACY=/path/to/ipfs-kit"}, "ipfs-kit")
	if !a.json {
		a.note("Commands of this program: " + a.name + " --help")
	}
	return code
}

// oldFlags are those that only the old daemon had, in any of its versions.
var oldFlags = []string{"--config", "--daemon-port", "--role", "--master-address", "--cluster-secret", "--port", "--host", "--debug", "--config-dir", "--data-dir"}

// oldFlag finds a flag that only the old daemon had.
func oldFlag(args []string) string {
	for _, a := range args {
		if name, _, _ := strings.Cut(a, "="); slices.Contains(oldFlags, name) {
			return name
		}
	}
	return ""
}

// legacy finds the ipfs-kit that is not this one: IPFS_KIT_LEGACY, else the
// next in PATH that is another file by device and inode, and not this program installed twice.
func legacy(env Env) (string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if named := env.Getenv("IPFS_KIT_LEGACY"); named != "" {
		if fi, err := os.Stat(named); err != nil || !executable(fi) || os.SameFile(fi, self) || copyOfUs(named) {
			return "", fmt.Errorf("IPFS_KIT_LEGACY=%s is not another program that can be run; name the Python ipfs-kit, or unset it", named)
		}
		return named, nil
	}
	for _, dir := range filepath.SplitList(env.Getenv("PATH")) {
		if dir == "" {
			dir = "."
		}
		path := filepath.Join(dir, "ipfs-kit")
		if fi, err := os.Stat(path); err == nil && executable(fi) && !os.SameFile(fi, self) && !copyOfUs(path) {
			return path, nil
		}
	}
	return "", errNoLegacy
}

// copyOfUs says that a file is this program, of whatever version: two that hand over to each other never end.
func copyOfUs(path string) bool {
	us, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	it, err := buildinfo.ReadFile(path)
	return err == nil && it.Path == us.Path
}

func executable(fi os.FileInfo) bool { return fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 }

// Env is what the programs get from the system.
type Env struct {
	// Stdin is where answers to questions come from.
	Stdin io.Reader
	// Stdout is where what was asked for goes.
	Stdout io.Writer
	// Stderr is where errors and what is said beside goes.
	Stderr io.Writer
	// Environ are the variables, each NAME=VALUE.
	Environ []string
	// Serve is the service itself: it runs until ctx ends. Nil in a program that has none in it.
	Serve func(ctx context.Context, o ServeOptions) error
}

// Getenv reads one variable; the last one counts, as in a shell.
func (e Env) Getenv(key string) string {
	for _, kv := range slices.Backward(e.Environ) {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}

// SystemEnv is the process's own.
func SystemEnv() Env {
	return Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ()}
}

// MainIntelligent is the whole of the ipfs-kit-intelligent program.
func MainIntelligent(args []string, env Env) int { return run(args, "ipfs-kit-intelligent", env) }
