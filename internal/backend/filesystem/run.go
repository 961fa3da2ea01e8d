package filesystem

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Temporary names tell which run of the program writes them, so that another
// run, on this machine or on one that shares the folder, does not remove them
// while they grow: .ipfs-kit-<machine>-<pid>-<start>-<n>.part
const (
	tempPrefix = ".ipfs-kit-"
	tempSuffix = ".part"
)

// runID names this run: machine is the same for all processes that can see each other's numbers.
type runID struct {
	machine string
	pid     int
	start   string
}

var (
	thisRun  = sync.OnceValue(func() runID { return runID{machineID(), os.Getpid(), processStart("self")} })
	tempLast atomic.Uint64
)

// machineID stands for this boot of this kernel, and this process name space.
func machineID() string {
	return machineOf("/proc/sys/kernel/random/boot_id", "/etc/machine-id")
}

// machineOf takes the first file that says which machine this is. A sandbox hides
// the boot's name (ProcSubset=pid); the installation's will do as well, because
// processes of an earlier boot are as dead as their numbers say. Where there is
// neither, no other run is known.
func machineOf(files ...string) string {
	name := rand.Text()
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && len(data) > 0 {
			name = string(data)
			break
		}
	}
	space, _ := os.Readlink("/proc/self/ns/pid")
	sum := sha256.Sum256([]byte(name + space))
	return hex.EncodeToString(sum[:6])
}

// processStart is when a process was started, in the kernel's ticks; empty when there is none.
func processStart(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return ""
	}
	// The second field is a name in parentheses that may hold anything.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	const startTime = 19 // the 22nd field of all
	if len(fields) <= startTime {
		return ""
	}
	return fields[startTime]
}

func newTempName() string {
	r := thisRun()
	return fmt.Sprintf("%s%s-%d-%s-%d%s", tempPrefix, r.machine, r.pid, r.start, tempLast.Add(1), tempSuffix)
}

// isTemp tells whether a file's name (without its folder) is one of ours, of whatever run.
func isTemp(name string) bool {
	return strings.HasPrefix(name, tempPrefix) && strings.HasSuffix(name, tempSuffix)
}

// life of the run that made a temporary name.
type life uint8

const (
	lifeUnknown life = iota // another machine, or before this boot
	lifeAlive
	lifeDead
)

// lifeOf tells whether the run that made a temporary name still runs.
func lifeOf(name string) life {
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(name, tempPrefix), tempSuffix), "-")
	if len(parts) != 4 || parts[0] != thisRun().machine {
		return lifeUnknown
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return lifeUnknown
	}
	switch start := processStart(parts[1]); {
	case start == "" && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH):
		return lifeUnknown // another user's, hidden by ProtectProc=invisible
	case start != parts[2]:
		return lifeDead
	}
	return lifeAlive
}
