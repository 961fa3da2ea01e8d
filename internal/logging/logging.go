// Package logging is the program's log: native fields in the journal, plain lines
// elsewhere. Repeats are folded, and secrets are cut out before anything is written.
package logging

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
	"golang.org/x/term"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/redact"
)

// Names of the journal's native fields.
const (
	FieldMessageID = "MESSAGE_ID" // the kind of event
	FieldBackend   = "BACKEND"    // the backend it is about
	FieldTask      = "TASK_ID"    // the task's number
	FieldWorker    = "WORKER"     // the worker's name
)

// Message ids: one a kind of event, for journalctl MESSAGE_ID=…
const (
	IDStarted         = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d01" // the service is ready
	IDStopping        = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d02" // the service ends
	IDWaiting         = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d03" // there is no home yet, or it went away
	IDBackendDirty    = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d04" // a backend became dirty
	IDBackendClean    = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d05" // a mark is cleared
	IDBackendHealth   = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d06" // the health of a backend changed
	IDTaskFinished    = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d07" // a task ended well, or was cancelled
	IDTaskFailed      = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d08" // a task failed
	IDBlocked         = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d09" // a backend waits for something that is not here
	IDWorkerRestarted = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0a" // a worker was replaced by a fresh one
	IDBus             = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0b" // the bus was lost or taken again
	IDConfiguration   = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0c" // the configuration was read again, or refused
	IDUnreadable      = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0d" // a file of the home can't be read
	IDSandbox         = "5d9d1b4a7c2f4c5e9b1f0a6f3c8e2d0e" // a folder is read-only in the unit's sandbox
)

// Options of a log.
type Options struct {
	// Clock that repeats are folded by.
	Clock clock.Clock
	// Out is where plain lines go; os.Stderr for nil.
	Out io.Writer
	// Level is one of Levels; empty: info.
	Level string
	// Journal: write native entries. Nil: where standard error is the journal.
	Journal *bool
}

// New makes a log. Call the function it returns at the end: it writes what was folded last.
func New(o Options) (*logrus.Logger, func()) {
	if o.Out == nil {
		o.Out = os.Stderr
	}
	l := logrus.New()
	l.SetLevel(logrus.InfoLevel)
	if lv, err := ParseLevel(o.Level); err == nil {
		l.SetLevel(lv)
	}
	native := toJournal()
	if o.Journal != nil {
		native = *o.Journal
	}
	var emit func(*logrus.Entry)
	if native {
		emit = sendJournal
	} else {
		emit = plainLines(o.Out)
	}
	l.SetOutput(io.Discard)
	l.SetFormatter(nothing{})
	f := &folder{clk: o.Clock, emit: emit, seen: map[string]*repeat{}}
	l.AddHook(f)
	return l, f.flush
}

// nothing formats nothing: the hook writes.
type nothing struct{}

// Format gives nothing.
func (nothing) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// toJournal tells whether standard error is the journal's, so that nothing is written twice.
func toJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return err == nil && is && journal.Enabled()
}

// Target names where the log goes, as LogControl1 does.
func Target() string {
	if toJournal() {
		return "journal"
	}
	return "console"
}

// maxLine bounds one message.
const maxLine = 8 << 10

func clean(s string) string {
	s = redact.Text(s)
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	return s
}

// oneLine keeps names and errors, which others wrote, from making lines of their
// own or steering a terminal.
func oneLine(v any) string { return printable(v, false) }

// printable escapes what is not to be printed; journalctl shows a message with
// any such byte as a blob.
func printable(v any, lines bool) string {
	var sb strings.Builder
	for _, r := range clean(fmt.Sprint(v)) {
		switch {
		case r == '\n' && lines:
			sb.WriteRune(r)
		case r == '\n':
			sb.WriteString(" ⏎ ")
		case r == '\t' || unicode.IsPrint(r):
			sb.WriteRune(r)
		default:
			fmt.Fprintf(&sb, "\\u%04x", r)
		}
	}
	return sb.String()
}

func sendJournal(e *logrus.Entry) {
	vars := map[string]string{"SYSLOG_IDENTIFIER": "ipfs-kit-intelligent"}
	for k, v := range e.Data {
		vars[strings.ToUpper(k)] = clean(fmt.Sprint(v))
	}
	msg := journalText(e)
	if err := journal.Send(msg, priority(e.Level), vars); err != nil {
		fmt.Fprintf(os.Stderr, "%s (the journal did not take it: %v)\n", msg, err)
	}
}

// journalText is the line that journalctl shows.
func journalText(e *logrus.Entry) string {
	msg := printable(e.Message, true)
	if v, ok := e.Data[logrus.ErrorKey]; ok {
		msg += ": " + printable(v, true)
	}
	if b, ok := e.Data[FieldBackend]; ok { // journalctl shows no fields
		msg = oneLine(b) + ": " + msg
	}
	return msg
}

func priority(l logrus.Level) journal.Priority {
	switch l {
	case logrus.PanicLevel:
		return journal.PriAlert
	case logrus.FatalLevel:
		return journal.PriCrit
	case logrus.ErrorLevel:
		return journal.PriErr
	case logrus.WarnLevel:
		return journal.PriWarning
	case logrus.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// plainLines writes a line an entry; colours only on a terminal, and never alone.
func plainLines(out io.Writer) func(*logrus.Entry) {
	f, ok := out.(*os.File)
	colour := ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
	return func(e *logrus.Entry) {
		var sb strings.Builder
		sb.WriteString(e.Time.Format("2006-01-02 15:04:05.000 "))
		level := fmt.Sprintf("%-7s", e.Level)
		switch {
		case colour && e.Level <= logrus.ErrorLevel:
			level = "\x1b[31m" + level + "\x1b[0m"
		case colour && e.Level == logrus.WarnLevel:
			level = "\x1b[33m" + level + "\x1b[0m"
		}
		sb.WriteString(level + " ")
		if b, ok := e.Data[FieldBackend]; ok {
			sb.WriteString(oneLine(b) + ": ")
		}
		sb.WriteString(oneLine(e.Message))
		if v, ok := e.Data[logrus.ErrorKey]; ok {
			sb.WriteString(": " + oneLine(v))
		}
		sb.WriteByte('\n')
		io.WriteString(out, sb.String()) //nolint:errcheck // there is nowhere to say it
	}
}

// levels of LogControl1, and the nearest that logrus has.
var levels = []struct {
	name  string
	level logrus.Level
}{{"emerg", logrus.PanicLevel}, {"alert", logrus.PanicLevel}, {"crit", logrus.FatalLevel}, {"err", logrus.ErrorLevel},
	{"warning", logrus.WarnLevel}, {"notice", logrus.InfoLevel}, {"info", logrus.InfoLevel}, {"debug", logrus.DebugLevel}}

// ParseLevel takes the names of LogControl1, and error, warn; the empty one is info.
func ParseLevel(s string) (logrus.Level, error) {
	_, l, err := NamedLevel(s)
	return l, err
}

// NamedLevel is ParseLevel that also gives LogControl1's own name: several of its levels are one of ours.
func NamedLevel(s string) (name string, l logrus.Level, err error) {
	switch s {
	case "":
		s = "info"
	case "error":
		s = "err"
	case "warn":
		s = "warning"
	}
	for _, l := range levels {
		if l.name == s {
			return l.name, l.level, nil
		}
	}
	return "", 0, fmt.Errorf("log level %q: it must be one of emerg, alert, crit, err, warning, notice, info, debug", s)
}

// LevelName is the name that LogControl1 has for a level.
func LevelName(l logrus.Level) string {
	for _, x := range levels {
		if x.level == l && x.name != "emerg" && x.name != "notice" {
			return x.name
		}
	}
	return "debug"
}

// repeatWindow is how long the same message is folded, at first; it doubles up to an hour.
const repeatWindow = 30 * time.Second
