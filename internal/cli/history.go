package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/internal/status"
)

// historySince is how far history looks back where nobody says it.
const historySince = 24 * time.Hour

func (a *app) historyCommand() *cobra.Command {
	var since, until, backend, what string
	cmd := &cobra.Command{Use: "history", Short: "What happened: tasks, checks, changes of health and marks, workers", Args: takes(0, 0)}
	cmd.Flags().StringVar(&since, "since", "24h", "only from this `time` on: 90m, 2d, 15:04, 2026-01-31")
	cmd.Flags().StringVar(&until, "until", "", "only before this `time`")
	cmd.Flags().StringVar(&backend, "backend", "", "only of this `backend`")
	cmd.Flags().StringVar(&what, "what", "", "only this `subject`: "+strings.Join(status.HistorySubjects, ", "))
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		q, err := historyQuery(a.clk.Now(), since, until, cmd.Flags().Changed("since"))
		if err != nil {
			return err
		}
		q.What, q.Backend = what, backend
		if err := oneOf("--what", what, status.HistorySubjects); err != nil {
			return err
		}
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // it was only asked
		stream, err := c.History(ctx, q)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { stream.Close() })() //nolint:errcheck // it was only read
		defer stream.Close()                                      //nolint:errcheck // it was only read
		err = a.showHistory(stream, q)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	return cmd
}

// historyQuery reads the times. Without a --since it is a day before --until.
func historyQuery(now time.Time, since, until string, given bool) (q status.HistoryQuery, err error) {
	end := now
	if until != "" {
		if q.Until, err = moment(until, now); err != nil {
			return q, err
		}
		end = q.Until
	}
	if !given {
		q.Since = end.Add(-historySince)
		return q, nil
	}
	if q.Since, err = moment(since, now); err != nil {
		return q, err
	}
	if q.Since.After(end) {
		return q, usagef("--since %s is after %s: nothing can be between them", since, end.Format("2006-01-02 15:04:05"))
	}
	return q, nil
}

// maxHistoryLine bounds one line: a task with all of its log.
const maxHistoryLine = 16 << 20

// showHistory prints the lines as they come: with --json as they are, else as text with a summary.
func (a *app) showHistory(stream io.Reader, q status.HistoryQuery) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 64<<10), maxHistoryLine)
	view := historyText{a: a, all: q.What != ""}
	for lines.Scan() {
		var l historyLine
		if err := decode(lines.Bytes(), &l); err != nil {
			return err
		}
		if l.What == "" && l.Error != nil {
			return fmt.Errorf("the service could not read its history to the end: %s", *l.Error)
		}
		if a.json {
			if _, err := fmt.Fprintf(a.env.Stdout, "%s\n", lines.Bytes()); err != nil {
				return err
			}
			continue
		}
		if err := view.show(&l); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	if !a.json {
		view.sumUp(q)
	}
	return nil
}

// historyLine is what the texts need of a line.
type historyLine struct {
	What       string  `json:"what"`
	Time       string  `json:"time"`
	Error      *string `json:"error"`
	Backend    string  `json:"backend"`
	Worker     string  `json:"worker"`
	Resolution string  `json:"resolution"`
	Count      int64   `json:"count"`
	// OK is true or false, or in a sum a number.
	OK       json.RawMessage `json:"ok"`
	By       string          `json:"by"`
	Class    *string         `json:"class"`
	Latency  json.RawMessage `json:"latency_ms"`
	Of       string          `json:"of"`
	Old      string          `json:"old"`
	New      string          `json:"new"`
	Why      string          `json:"why"`
	Dirty    json.RawMessage `json:"dirty_seconds"`
	Kind     string          `json:"kind"`
	State    string          `json:"state"`
	Started  *string         `json:"started"`
	Finished *string         `json:"finished"`
	Log      []string        `json:"log"`
}

var errNoSum = errors.New("the service answered with a sum that can't be read")
