package service

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/cli"
	"ipfskit.org/intelligent/internal/testenv"
)

// step is an indented block of a document, and what a comment before it says of its test:
//
//	<!-- test: box; exit 4; shows Nothing is wrong -->
//
// The place is "here" (a service on a bus of its own), "box" (a user's service under systemd), "system" (as root there) or
// "no", with a reason. "interrupt" ends it by Ctrl-C after a while; "file PATH" writes it there instead of running it.
// <!-- before: … --> holds lines that are run first and that readers don't see.
type step struct {
	at, place, before, file, text string
	exit                          int
	shows                         []string
	interrupt                     bool
}

// documents are all that people read and that may hold commands.
func documents(t *testing.T) []string {
	t.Helper()
	root := testenv.Source(t)
	out := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "reference" { // made from the tree of commands
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".md") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// steps reads a document.
func steps(t *testing.T, file string) (out []step) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, lines := step{place: "here"}, strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		switch {
		case strings.HasPrefix(l, "<!-- before:"):
			for i++; i < len(lines) && lines[i] != "-->"; i++ {
				s.before += lines[i] + "\n"
			}
		case strings.HasPrefix(l, "<!-- test: "):
			s.read(t, strings.TrimSuffix(strings.TrimPrefix(l, "<!-- test: "), " -->"))
		case strings.HasPrefix(l, "```"): // a drawing
			for i++; i < len(lines) && lines[i] != "```"; i++ {
			}
		case strings.HasPrefix(l, "    "):
			s.at = fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
			for ; i < len(lines) && (strings.HasPrefix(lines[i], "    ") || lines[i] == ""); i++ {
				s.text += strings.TrimPrefix(lines[i], "    ") + "\n"
			}
			i--
			out, s = append(out, s), step{place: "here"}
		}
	}
	return out
}

func (s *step) read(t *testing.T, marks string) {
	t.Helper()
	if strings.HasPrefix(marks, "no: ") {
		s.place = "no"
		return
	}
	for _, m := range strings.Split(marks, "; ") {
		word, rest, _ := strings.Cut(m, " ")
		switch word {
		case "here", "box", "system":
			s.place = word
		case "exit":
			s.exit, _ = strconv.Atoi(rest)
		case "shows":
			s.shows = append(s.shows, rest)
		case "interrupt":
			s.interrupt = true
		case "file":
			s.file = rest
		default:
			t.Fatalf("a mark that means nothing: %q", m)
		}
	}
}

// quote makes a text one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// script is what runs the step; howtoHelpers has its functions.
func (s step) script() string {
	if s.file != "" {
		return fmt.Sprintf("%smkdir -p $(dirname %s); printf %%s %s >%s\n", s.before, s.file, quote(s.text), s.file)
	}
	how := "ends"
	if s.interrupt {
		how = "interrupted"
	}
	text := strings.ReplaceAll(s.text, "--timeout 30s", "--timeout 5m") // people have less patience than tests on a busy machine
	words := []string{how, quote(s.at), strconv.Itoa(s.exit), quote(text)}
	for _, w := range s.shows {
		words = append(words, quote(w))
	}
	return s.before + strings.Join(words, " ") + "\n"
}

const howtoHelpers = `
T=$(mktemp -d)
home() { mkdir -p ~/.ipfs_kit/backend_index/dirty_metadata ~/.ipfs_kit/backends ~/.ipfs_kit/cars; }
backend() { for b; do mkdir -p ~/disks/$b; printf 'name: %s\ntype: filesystem\nstorage_path: %s/disks/%s\n' $b ~ $b >~/.ipfs_kit/backends/$b.yaml; done; }
dirty() { python3 $STAGE/scripts/touch_dirty.py --home ~ --layout both "$@" >/dev/null; }
lost() { printf '{"backend_name":"%s","is_dirty":true,"pending_actions":[{"action_type":"pin_add","cids":["bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"],"timestamp":1,"synced":false}]}' $1 >~/.ipfs_kit/backend_index/dirty_metadata/$1_dirty.json; }
await() { for i in $(seq 3000); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "FAILED: in vain: $*" >&2; exit 1; }
sudo() { "$@"; }
export -f sudo
ended() { # at, wanted status, status, words that must be there
  at=$1 want=$2 got=$3; shift 3
  [ $got = $want ] || { echo "FAILED: $at: exit $got, not $want:" >&2; cat $T/out >&2; exit 1; }
  for w; do grep -qF -- "$w" $T/out || { echo "FAILED: $at does not show $w:" >&2; cat $T/out >&2; exit 1; }; done
}
ends() { at=$1 want=$2 text=$3 got=0; shift 3; timeout 600 bash -euc "$text" >$T/out 2>&1 </dev/null || got=$?; ended "$at" $want $got "$@"; }
shown() { for w; do grep -qF -- "$w" $T/out || return 1; done; }
interrupted() { # by Ctrl-C, once it shows the words
  at=$1 want=$2 text=$3 got=0; shift 3; rm -f $T/out $T/pid
  (await [ -s $T/pid ]; await shown "$@"; kill -INT $(cat $T/pid)) &
  bash -euc 'echo $$ >$0; exec timeout --preserve-status -s INT 600 bash -euc "$1"' $T/pid "$text" >$T/out 2>&1 </dev/null || got=$?
  wait $! || true; ended "$at" $want $got "$@"
}
`

// script of all steps of a document in one place; empty where it has none.
func scriptOf(all []step, place string) string {
	var sb strings.Builder
	for _, s := range all {
		if s.place == place {
			sb.WriteString(s.script())
		}
	}
	return sb.String()
}

// Each document is worked through from its first command to its last, on a home with three filesystem backends.
func TestEveryCommandOfTheDocumentsDoesWhatTheySay(t *testing.T) {
	testenv.DBusDaemon(t)
	testenv.Python3(t)
	stage := staged(t, "")
	for _, file := range documents(t) {
		script := scriptOf(steps(t, file), "here")
		if script == "" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			run := shortDir(t)
			home := filepath.Join(run, "home")
			if err := os.Mkdir(home, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "-euc", howtoHelpers+"trap 'ipfs-kit-intelligent stop >/dev/null 2>&1' EXIT\ncd ~; home; backend attic cellar nas\n"+script)
			cmd.Env = []string{"HOME=" + home, "PATH=" + filepath.Join(stage, "bin") + ":" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + run, "STAGE=" + stage,
				"PYTHONDONTWRITEBYTECODE=1"}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestEveryCommandOfTheDocumentsThatNeedsSystemdDoesWhatTheySay(t *testing.T) {
	for _, place := range []string{"box", "system"} {
		var scripts strings.Builder
		for _, file := range documents(t) {
			if s := scriptOf(steps(t, file), place); s != "" {
				fmt.Fprintf(&scripts, "fresh; ( set -eu\n%s)\n", s)
			}
		}
		t.Run(place, func(t *testing.T) {
			if place == "system" {
				inBox(t, "", systemHelpers+howtoHelpers+"STAGE=$PWD; fresh() { cd $STAGE; systemctl stop $U 2>/dev/null || true; }\n"+scripts.String(), "--timeout", "1200")
				return
			}
			inBox(t, "", boxHelpers+howtoHelpers+`
STAGE=$PWD
export PYTHONDONTWRITEBYTECODE=1
fresh() { cd ~; systemctl --user stop $U; systemctl --user reset-failed $U 2>/dev/null || true
  rm -rf ~/.ipfs_kit ~/.config/ipfs-kit ~/.config/systemd ~/.local/state/ipfs-kit-intelligent ~/disks
  systemctl --user daemon-reload; home; backend attic cellar nas; }
`+scripts.String(), "--user", "--setup", "scripts/install /usr ''", "--timeout", "1200")
		})
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestEveryLinkOfTheDocumentsLeadsToAFile(t *testing.T) {
	reference, err := filepath.Glob(filepath.Join(testenv.Source(t), "docs/reference/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range append(documents(t), reference...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			n++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", filepath.Base(file), m[0], err)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d links were found", n)
	}
}

var inline = regexp.MustCompile("`(ipfs-kit-intelligent |ipfs-kit daemon intelligent )?([a-z][^`]*)`")

// Commands within a text are not run, but are there, with their flags.
func TestEveryCommandNamedInTheDocumentsIsThere(t *testing.T) {
	for _, file := range documents(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inline.FindAllStringSubmatch(string(data), -1) {
			words := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(m[2]))
			cmd, rest, err := cli.Commands().Find(words)
			if !cmd.HasParent() && m[1] == "" {
				continue // another word than a command
			}
			if err == nil && cmd.HasSubCommands() && len(rest) > 0 {
				err = fmt.Errorf("%s has no command %q", cmd.Name(), rest[0])
			}
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(file), m[0], err)
			}
		}
	}
}
