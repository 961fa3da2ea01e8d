package logging

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
