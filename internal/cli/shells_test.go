package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/testenv"
)

// shell is how a shell that people type into is started, with the completions of both programs where it looks for them.
type shell struct {
	args []string
	// rc is the file that it reads first, below the user's home, and what stands in it: "ready> " is its prompt.
	rc, lines string
	// folder of completions, below the user's home, and the names of files in it.
	folder, file string
}

var shells = map[string]shell{
	"bash": {[]string{"--rcfile", "rc.bash", "-i"}, "rc.bash", "PS1='ready> '\n. /usr/share/bash-completion/bash_completion\n",
		".local/share/bash-completion/completions", "%s"},
	"zsh": {[]string{"--no-global-rcs", "-i"}, ".zshrc", "PS1='ready> '\nbindkey -e\nfpath+=($HOME/functions)\nautoload -U compinit\ncompinit -u\n",
		"functions", "_%s"},
	"fish": {[]string{"-i"}, ".config/fish/config.fish", "function fish_prompt; echo -n 'ready> '; end\nset -g fish_greeting\nset -g fish_autosuggestion_enabled 0\n",
		".config/fish/completions", "%s.fish"},
}

func TestShellsCompleteWhatIsTyped(t *testing.T) {
	testenv.DBusDaemon(t)
	for name, sh := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(name); err != nil {
				testenv.Skip(t, name+" is not installed")
			}
			if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); name == "bash" && err != nil {
				testenv.Skip(t, "bash-completion is not installed")
			}
			var typist *typist
			testscript.Run(t, testscript.Params{Dir: "testdata/shells", Setup: setUp, Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"backend": makeBackend,
				"until":   until,
				"completes": func(ts *testscript.TestScript, neg bool, args []string) {
					if typist == nil {
						typist = newTypist(ts, name, sh)
					}
					typist.completes(ts, neg, args)
				},
			}})
		})
	}
}

// typist types into a shell at a terminal.
type typist struct {
	terminal *os.File
	shown    []byte // by the terminal, since the last prompt
	lines    int
}

// newTypist starts a shell as the user of a script, and waits for its prompt.
func newTypist(ts *testscript.TestScript, name string, sh shell) *typist {
	home := ts.Getenv("HOME")
	write := func(path string, text []byte) {
		ts.Check(os.MkdirAll(filepath.Dir(filepath.Join(home, path)), 0o755))
		ts.Check(os.WriteFile(filepath.Join(home, path), text, 0o644))
	}
	write(sh.rc, []byte(sh.lines))
	for program, words := range map[string][]string{"ipfs-kit": {"daemon", "intelligent", "completion", name}, "ipfs-kit-intelligent": {"completion", name}} {
		cmd := exec.Command("/proc/self/exe", words...)
		cmd.Args[0] = program
		script, err := cmd.Output()
		ts.Check(err)
		write(filepath.Join(sh.folder, fmt.Sprintf(sh.file, program)), script)
	}

	terminal, tty := openTerminal(ts)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, sh.args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = home, tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	for _, key := range []string{"HOME", "PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "IPFS_KIT_HOME", "TERM"} {
		cmd.Env = append(cmd.Env, key+"="+ts.Getenv(key))
	}
	ts.Check(cmd.Start())
	tty.Close()
	ts.Defer(func() {
		cancel()
		cmd.Wait() //nolint:errcheck // it was killed
		terminal.Close()
	})
	t := &typist{terminal: terminal}
	t.until(ts, "ready> ")
	return t
}

// openTerminal gives both ends of a terminal that is wide enough for a line to stay one.
func openTerminal(ts *testscript.TestScript) (terminal, tty *os.File) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // reads have a deadline
	ts.Check(err)
	ts.Check(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	ts.Check(unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 500}))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	ts.Check(err)
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	ts.Check(err)
	return os.NewFile(uintptr(fd), "terminal"), tty
}

// until reads until the terminal shows a text, and gives what it showed up to there.
func (t *typist) until(ts *testscript.TestScript, re string) string {
	ts.Check(t.terminal.SetReadDeadline(time.Now().Add(scriptLimit)))
	for buf := make([]byte, 4096); ; {
		if at := regexp.MustCompile(re).FindIndex(t.shown); at != nil {
			seen := string(t.shown[:at[1]])
			t.shown = bytes.Clone(t.shown[at[1]:])
			return seen
		}
		n, err := t.terminal.Read(buf)
		t.shown = append(t.shown, buf[:n]...)
		if err != nil {
			ts.Fatalf("no %q at the terminal: %v\n%q", re, err, t.shown)
		}
	}
}

// completes LINE WORD… types a line and the tabulator: then the line must end with these words, and nothing is shown below it. With !,
// nothing comes to what was typed.
func (t *typist) completes(ts *testscript.TestScript, neg bool, args []string) {
	t.lines++
	typed := strings.Fields(args[0])
	want := typed
	if !neg {
		want = slices.Concat(typed[:len(typed)-1], args[1:])
		if strings.HasSuffix(args[0], " ") {
			want = slices.Concat(typed, args[1:])
		}
	}
	// Home and end, around what was typed: the shell says the words itself.
	_, err := fmt.Fprintf(t.terminal, "%s\t\x01printf '<%%s>' \x05 ; echo do''ne%d\r", args[0], t.lines)
	ts.Check(err)
	seen := t.until(ts, fmt.Sprintf("done%d", t.lines))
	t.until(ts, "ready> ")
	at := strings.LastIndex(seen, "<"+typed[0]+">")
	if got := strings.TrimSuffix(seen[at:], fmt.Sprintf("done%d", t.lines)); got != "<"+strings.Join(want, "><")+">" {
		ts.Fatalf("%q is completed to %s, want %q", args[0], got, want)
	}
	if strings.Count(seen[:at], "\n") != 1 { // that which ends the line
		ts.Fatalf("%q has something said below the line: %q", args[0], seen)
	}
}
