package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ipfskit.org/intelligent/internal/config"
)

// logQuery selects lines of the log.
type logQuery struct {
	follow bool
	// lines is how many of the last, negative for all.
	lines   int
	since   time.Time
	backend string
}

// logTime is how lines of the log begin.
const logTime = "2006-01-02 15:04:05.000"

// logWords is where a line's words begin, after time and level: the backend is the first of them.
const logWords = len(logTime + " warning ")

// followLines are shown before what comes new.
const followLines = 10

func (a *app) logsCommand() *cobra.Command {
	var q logQuery
	var since string
	cmd := &cobra.Command{Use: "logs [BACKEND]", Short: "The service's log, of a backend or all", Args: takes(0, 1)}
	cmd.Flags().BoolVarP(&q.follow, "follow", "f", false, "go on with what comes new; Ctrl-C ends it")
	cmd.Flags().IntVarP(&q.lines, "lines", "n", -1, "only this `number` of the last; else all, with --follow 10")
	cmd.Flags().Lookup("lines").DefValue = "0" // it is not shown
	cmd.Flags().StringVar(&since, "since", "", "only from this `time` on: 90m, 2d, 15:04, 2026-01-31")
	cmd.RunE = a.do(func(ctx context.Context, args []string) error {
		q.backend = first(args)
		if cmd.Flags().Changed("lines") && q.lines < 0 {
			return usagef("--lines %d is below 0", q.lines)
		}
		if since != "" {
			var err error
			if q.since, err = moment(since, a.clk.Now()); err != nil {
				return err
			}
		}
		if q.follow && q.lines < 0 && q.since.IsZero() {
			q.lines = followLines
		}
		return a.logs(ctx, q)
	})
	return cmd
}

// logs shows the journal where the service manager has the unit, and else the
// file of a service in the background. Where both are, the one of the service that runs counts, or that ran last.
func (a *app) logs(ctx context.Context, q logQuery) error {
	p, err := config.FindPaths(a.env.Getenv, a.system)
	if err != nil {
		return err
	}
	path := filepath.Join(p.State, logName)
	fi, err := os.Stat(path)
	isFile := err == nil
	u := a.unit()
	state := u.state(ctx)
	if state.loaded() && (!isFile || state.active() || fi.ModTime().Before(state.endedAt())) {
		return a.journal(u, q)
	}
	if isFile {
		return a.logFile(ctx, path, q)
	}
	return &fault{code: ExitFailed, err: errors.New("there is no log: no unit of a service manager, and no service that was started in the background; one in the foreground writes to its terminal"),
		next: a.name + " start --detach"}
}

// journal hands over to journalctl: terminal, signals, exit status.
func (a *app) journal(u unit, q logQuery) error {
	var args []string
	if q.follow {
		args = append(args, "-f")
	}
	if a.json {
		args = append(args, "-o", "json")
	}
	if q.lines >= 0 {
		args = append(args, "-n", strconv.Itoa(q.lines))
	}
	if !q.since.IsZero() {
		args = append(args, "--since", "@"+strconv.FormatInt(q.since.Unix(), 10))
	}
	var fields []string
	if q.backend != "" {
		fields = []string{"BACKEND=" + q.backend}
	}
	args = append(args, u.matches(fields...)...)
	cmd := u.command(context.Background(), "journalctl", args...)
	if cmd.Err != nil {
		return &fault{code: ExitFailed, err: fmt.Errorf("show the unit's journal: %w", cmd.Err), next: "install journalctl (systemd)"}
	}
	return fmt.Errorf("start %s: %w", cmd.Path, unix.Exec(cmd.Path, cmd.Args, cmd.Env))
}

// logFile shows the file's lines and, where that was asked for, what is added to it.
func (a *app) logFile(ctx context.Context, path string, q logQuery) error {
	if a.json {
		return hint(a.name+" logs", "the log %s holds lines of text, not JSON", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the service's log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("follow the service's log: %w", err)
	}
	defer w.Close() //nolint:errcheck // nothing was written
	if q.follow {
		if err := w.Add(path); err != nil {
			return fmt.Errorf("follow the service's log: %w", err)
		}
	}
	t := &tailing{a: a, q: q, r: bufio.NewReader(f)}
	if err := t.past(); err != nil {
		return err
	}
	if !q.follow && !t.any {
		a.note("The log " + path + " has no such lines.")
	}
	gone := make(chan struct{})
	defer whenReaderGoes(a.env.Stdout, func() { close(gone) })()
	for q.follow {
		select {
		case <-ctx.Done():
			return nil
		case <-gone:
			return nil
		case <-w.Events:
		case err := <-w.Errors:
			return fmt.Errorf("follow the service's log: %w", err)
		}
		if err := t.cutShort(f); err != nil {
			return err
		}
		if err := t.more(t.print); err != nil {
			if errors.Is(err, syscall.EPIPE) {
				return nil
			}
			return err
		}
	}
	return nil
}

// tailing reads a log that grows.
type tailing struct {
	a    *app
	q    logQuery
	r    *bufio.Reader
	part string // of a line that has no end yet
	at   int64  // what was read
	any  bool   // something was shown
}

// past shows the lines that are there, or the last of them.
func (t *tailing) past() error {
	var last []string
	if t.q.lines < 0 {
		return t.more(t.print)
	}
	err := t.more(func(line string) error {
		if t.wanted(line) {
			last = append(last, line)
			if len(last) > t.q.lines {
				last = last[1:]
			}
		}
		return nil
	})
	for _, line := range last {
		if err == nil {
			err = t.print(line)
		}
	}
	return err
}

// more gives each line that was ended.
func (t *tailing) more(each func(string) error) error {
	for {
		s, err := t.r.ReadString('\n')
		t.at += int64(len(s))
		t.part += s
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the service's log: %w", err)
		}
		line := strings.TrimSuffix(t.part, "\n")
		t.part = ""
		if err := each(line); err != nil {
			return err
		}
	}
}

// cutShort begins anew where somebody emptied the file.
func (t *tailing) cutShort(f *os.File) error {
	fi, err := f.Stat()
	if err != nil || fi.Size() >= t.at {
		return err
	}
	t.at, t.part = 0, ""
	_, err = f.Seek(0, io.SeekStart)
	t.r.Reset(f)
	return err
}

// wanted says that a line is of the time and the backend that were asked for.
func (t *tailing) wanted(line string) bool {
	if t.q.backend != "" && (len(line) < logWords || !strings.HasPrefix(line[logWords:], t.q.backend+": ")) {
		return false
	}
	if t.q.since.IsZero() {
		return true
	}
	if len(line) < len(logTime) {
		return false
	}
	at, err := time.ParseInLocation(logTime, line[:len(logTime)], time.Local)
	return err == nil && !at.Before(t.q.since)
}

func (t *tailing) print(line string) error {
	if !t.wanted(line) {
		return nil
	}
	t.any = true
	_, err := fmt.Fprintln(t.a.env.Stdout, visible(line))
	return err
}
