package service

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is one piece of memory that a file is mapped to.
type mapping struct{ from, to uintptr }

// unmapProgram lets go of the pages of this program's own file that are mapped and
// were needed at the start alone: most of the code runs once. What is needed again comes
// back from the page cache, page by page: the kernel is told not to map its neighbours too.
func unmapProgram() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("find what is mapped: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	for _, m := range cleanMappings(f, self) {
		for _, advice := range []uintptr{unix.MADV_RANDOM, unix.MADV_DONTNEED} {
			if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, advice); errno != 0 {
				return fmt.Errorf("let go of mapped pages: %w", errno)
			}
		}
	}
	return nil
}

// cleanMappings finds the read-only mappings of a file, in the form of proc_pid_smaps(5), of
// which no page differs from the file: only those can be let go without a loss.
func cleanMappings(smaps io.Reader, file string) (out []mapping) {
	var at mapping
	ours := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		var from, to uintptr
		var perms string
		if n, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &perms); n == 3 && err == nil && len(perms) == 4 {
			at, ours = mapping{from, to}, strings.HasSuffix(line, " "+file) && perms[1] == '-'
			continue
		}
		if kB, found := strings.CutPrefix(line, "Anonymous:"); found && ours {
			if strings.TrimSpace(kB) == "0 kB" {
				out = append(out, at)
			}
			ours = false
		}
	}
	return out
}
