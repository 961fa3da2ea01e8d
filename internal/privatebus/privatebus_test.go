package privatebus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	godbus "github.com/godbus/dbus/v5"
	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/clock"
)

// envDir has the test program be a service with a bus in that folder.
const envDir = "PRIVATEBUS_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envDir); dir != "" {
		if _, err := Start(context.Background(), dir, clock.System); err != nil {
			panic(err)
		}
		fmt.Println("ready")
		select {}
	}
	goleak.VerifyTestMain(m)
}

func needDaemon(t *testing.T) {
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip("dbus-daemon is not installed")
	}
}

func TestBusIsFoundUsedAndGoneAfterClose(t *testing.T) {
	needDaemon(t)
	dir := filepath.Join(t.TempDir())
	if _, err := Find(dir); !errors.Is(err, ErrNone) {
		t.Fatalf("a bus before it was started: %v", err)
	}
	b, err := Start(t.Context(), dir, clock.System)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := Find(dir)
	if err != nil || addr != b.Address {
		t.Fatalf("find: %q, %v; want %q", addr, err, b.Address)
	}
	conn, err := godbus.Connect(addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.example.Test1", godbus.NameFlagDoNotQueue); err != nil {
		t.Error(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Start(t.Context(), dir, clock.System); err == nil {
		t.Error("a second bus was started in the same folder")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir); !errors.Is(err, ErrNone) {
		t.Errorf("a bus after it was closed: %v", err)
	}
	again, err := Start(t.Context(), dir, clock.System)
	if err != nil {
		t.Fatalf("start over the socket of a killed bus: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestBusEndsWithAServiceThatIsKilled(t *testing.T) {
	needDaemon(t)
	dir := t.TempDir()
	for range 3 { // each one finds the way free, though the last was killed just now
		service := exec.Command(os.Args[0])
		service.Env = append(os.Environ(), envDir+"="+dir)
		service.Stderr = os.Stderr
		out, err := service.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := service.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err := errors.Join(err, service.Process.Kill()); err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		service.Wait() //nolint:errcheck // it was killed
	}
	b, err := Start(t.Context(), dir, clock.System)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestFolderWithOddNameWorks(t *testing.T) {
	needDaemon(t)
	dir := t.TempDir() + "/a b,c;d=ü&"
	if err := exec.Command("mkdir", dir).Run(); err != nil {
		t.Fatal(err)
	}
	b, err := Start(t.Context(), dir, clock.System)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := godbus.Connect(b.Address)
	if err != nil {
		t.Error(err)
	} else if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestFolderThatCannotBeWrittenSaysSo(t *testing.T) {
	needDaemon(t)
	if _, err := Start(t.Context(), "/proc/self/nothing", clock.System); err == nil {
		t.Error("no error")
	}
}
