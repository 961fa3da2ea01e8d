package logging

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func plain() *bool { no := false; return &no }

func TestRepeatsAreFoldedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log, flush := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
		for range 100 {
			log.Warn("the disk is full")
			time.Sleep(time.Second)
		}
		flush()
		text := out.String()
		if n := strings.Count(text, "the disk is full\n"); n < 1 || n > 4 {
			t.Errorf("%d lines of 100 repeats:\n%s", n, text)
		}
		if !strings.Contains(text, "more times") {
			t.Errorf("repeats are not counted:\n%s", text)
		}
	})
}

func TestMessagesOfTwoBackendsAreNotFolded(t *testing.T) {
	var out bytes.Buffer
	log, flush := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
	log.WithField(FieldBackend, "a").Info("dirty")
	log.WithField(FieldBackend, "b").Info("dirty")
	flush()
	if !strings.Contains(out.String(), "a: dirty") || !strings.Contains(out.String(), "b: dirty") {
		t.Error(out.String())
	}
}

func TestOneLineAnEntryAndNoSecretInIt(t *testing.T) {
	var out bytes.Buffer
	log, flush := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
	log.Error("one\ntwo https://u:hunter2@h/")
	flush()
	if strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), "hunter2") {
		t.Errorf("%q", out.String())
	}
}

func TestLevelsByTheNamesOfLogControl(t *testing.T) {
	for _, name := range []string{"alert", "crit", "err", "warning", "info", "debug"} {
		l, err := ParseLevel(name)
		if err != nil || LevelName(l) != name {
			t.Errorf("%s: %v %v", name, LevelName(l), err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), `"loud"`) {
		t.Errorf("error %v", err)
	}
}

func TestTheLastWordOnAStateIsTrue(t *testing.T) {
	var out bytes.Buffer
	log, _ := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
	nas := log.WithField(FieldBackend, "nas")
	for range 3 {
		nas.WithField(FieldMessageID, IDBackendDirty).Info("dirty")
		nas.WithField(FieldMessageID, IDBackendClean).Info("clean")
	}
	nas.WithField(FieldMessageID, IDBackendDirty).Info("dirty")
	if n := strings.Count(out.String(), "dirty"); n != 4 || !strings.HasSuffix(out.String(), "dirty\n") {
		t.Errorf("%d of 4 changes:\n%s", n, out.String())
	}
}

func TestWhatComesRarelyIsNeverFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log, _ := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
		for range 30 {
			log.Warn("the disk is full")
			time.Sleep(10 * time.Minute)
		}
		if n := strings.Count(out.String(), "the disk is full\n"); n != 30 {
			t.Errorf("%d of 30", n)
		}
	})
}

func TestRepeatsAreCountedThoughTheMessageDoesNotComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log, _ := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
		for range 3 {
			log.Warn("the disk is full")
		}
		time.Sleep(time.Minute)
		log.Info("something else")
		if !strings.Contains(out.String(), "the disk is full (2 more times)") {
			t.Error(out.String())
		}
	})
}

func TestNamesOfOthersMakeNoLinesAndSteerNoTerminal(t *testing.T) {
	var out bytes.Buffer
	log, _ := New(Options{Clock: clock.System, Out: &out, Journal: plain()})
	log.WithField(FieldBackend, "x\nforged").Info("a\x1b[2J\rb")
	if s := out.String(); strings.Count(s, "\n") != 1 || strings.ContainsAny(s, "\x1b\r") {
		t.Errorf("%q", s)
	}
	if s := clean("a" + strings.Repeat("é", maxLine)); !utf8.ValidString(s) {
		t.Error("cut in the middle of a character")
	}
}

// journalctl shows the words alone, and not the fields.
func TestTheJournalsLineNamesItsBackend(t *testing.T) {
	e := logrus.WithField(FieldBackend, "nas").WithError(errors.New("full"))
	e.Message = "verify failed"
	if got := journalText(e); got != "nas: verify failed: full" {
		t.Error(got)
	}
}

// journalctl shows a message with a byte that can't be printed as a blob.
func TestTheJournalsLineCanBePrinted(t *testing.T) {
	e := logrus.NewEntry(logrus.New()).WithField(FieldBackend, "a\nb\xff").WithError(errors.New("open \x1b[31m: no"))
	e.Message = "panicked:\ngoroutine 1"
	if got := journalText(e); got != "a ⏎ b\ufffd: panicked:\ngoroutine 1: open \\u001b[31m: no" {
		t.Errorf("%q", got)
	}
}
