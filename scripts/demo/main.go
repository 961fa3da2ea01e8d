// Command demo shows the main job on a home in a temporary folder: three
// filesystem backends, content, a dirty mark that is found, synced, verified and
// cleared by the real programs. It needs no root and no systemd, and leaves nothing behind.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ipfskit.org/intelligent/scripts/sample"
)

func main() {
	if err := demo(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// show runs a program of ours before the reader's eyes.
type show struct {
	bin string
	env []string
}

func (s show) run(args ...string) error {
	fmt.Printf("\n$ ipfs-kit-intelligent %s\n", strings.Join(args, " "))
	cmd := exec.Command(s.bin, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, os.Stdout, os.Stderr
	return cmd.Run()
}

func demo() (err error) {
	dir, err := os.MkdirTemp("", "ipfs-kit-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bin, err := filepath.Abs("bin/ipfs-kit-intelligent")
	if err != nil {
		return err
	}
	h, err := sample.New(dir)
	if err != nil {
		return err
	}
	for _, name := range []string{"attic", "cellar", "desk"} {
		if err := h.Backend(name); err != nil {
			return err
		}
	}
	photos, err := h.Content(1, 20, 64<<10)
	if err != nil {
		return err
	}
	letters, err := h.Content(2, 3, 4<<10)
	if err != nil {
		return err
	}
	run := filepath.Join(dir, "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		return err
	}
	s := show{bin, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + run, "IPFS_KIT_HOME=" + h.Path, "NO_COLOR=1"}}
	fmt.Printf("A home with three filesystem backends and two CARs, in %s\n", dir)
	if err := s.run("start", "--detach"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.run("stop")) }()
	if err := s.run("wait", "--for", "ready", "--timeout", "5m"); err != nil {
		return err
	}
	fmt.Println("\nSomebody marks two backends dirty, as ipfs_kit does:")
	if err := errors.Join(h.Mark("attic", photos, letters), h.Mark("cellar", letters)); err != nil {
		return err
	}
	if err := s.run("wait", "--for", "clean", "--timeout", "5m"); err != nil {
		return err
	}
	if err := settled(h, "attic", "cellar"); err != nil {
		return err
	}
	if err := check(h, map[string][]string{"attic": {photos, letters}, "cellar": {letters}}); err != nil {
		return err
	}
	for _, args := range [][]string{{"status"}, {"tasks"}, {"explain", "attic"}, {"insights"}} {
		if err := s.run(args...); err != nil {
			return err
		}
	}
	return nil
}

// settled waits until marks are cleared: "clean" is also true an instant before a mark is heard of.
func settled(h sample.Home, names ...string) error {
	limit := time.Now().Add(5 * time.Minute)
	for _, name := range names {
		for {
			text, err := os.ReadFile(h.MarkPath(name))
			if err == nil && bytes.Contains(text, []byte(`"is_dirty": false`)) {
				break
			}
			if time.Now().After(limit) {
				return fmt.Errorf("the mark of %s is not cleared", name)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

// check shows that the content is there, the same as in the home, and the marks are cleared.
func check(h sample.Home, want map[string][]string) error {
	for name, cids := range want {
		for _, c := range cids {
			is, err := os.ReadFile(filepath.Join(h.Disks, name, "cars", c+".car"))
			if err != nil {
				return err
			}
			was, err := os.ReadFile(filepath.Join(h.Path, "cars", c+".car"))
			if err != nil || !bytes.Equal(is, was) {
				return fmt.Errorf("%s on %s is not what the home has: %w", c, name, err)
			}
			fmt.Printf("verified: %s holds %s (%d bytes)\n", name, c, len(is))
		}
		text, err := os.ReadFile(h.MarkPath(name))
		if err != nil || !bytes.Contains(text, []byte(`"is_dirty": false`)) {
			return fmt.Errorf("the mark of %s is not cleared: %w", name, err)
		}
		fmt.Printf("cleared:  the mark of %s\n", name)
	}
	return nil
}
