package doctor

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ipfskit.org/intelligent/internal/status"
)

// pythonDaemons are the modules of upstream's daemons. They have no pid file and no lock.
var pythonDaemons = map[string]bool{"ipfs_kit_daemon": true, "intelligent_daemon": true, "intelligent_daemon_manager": true}

// python looks whether one of upstream's daemons runs too: by the processes of
// this user, and by the port that it answers on.
func (v *visit) python(ctx context.Context) {
	const why = "both work on the same home: it reads the same marks, its copies count twice, and it never clears a mark"
	for _, p := range v.pythonProcesses() {
		v.add("python-daemon", status.SeverityWarning, p, "the Python daemon runs too, as process "+p, why,
			"let one of the two do it: ipfs-kit daemon stop, with the Python program; or kill "+p)
	}
	address := v.PythonAPI
	if address == "" {
		address = "127.0.0.1:9999"
	}
	ok, err := bounded(ctx, v.Clock, v.Probe, "ask "+address, func() (bool, error) {
		hctx, cancel := context.WithTimeout(ctx, v.Probe)
		defer cancel()
		req, err := http.NewRequestWithContext(hctx, http.MethodGet, "http://"+address+"/health", nil)
		if err != nil {
			return false, err
		}
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			return false, err
		}
		return resp.StatusCode == http.StatusOK, resp.Body.Close()
	})
	if err == nil && ok {
		v.add("python-api", status.SeverityInfo, address, fmt.Sprintf("something answers at %s as the Python daemon does", address), why, "if it serves this home: ipfs-kit daemon stop, with the Python program")
	}
}

// pythonProcesses are the numbers of processes that are a daemon of upstream's: of this user, and of the system's home those of its account.
func (v *visit) pythonProcesses() []string {
	users := []int{os.Getuid()}
	if v.System && v.home != nil {
		if fi, err := v.home.Root().Stat("."); err == nil {
			if st, ok := fi.Sys().(*syscall.Stat_t); ok {
				users = append(users, int(st.Uid))
			}
		}
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var out []string
	for _, dir := range all {
		fi, err := os.Stat(dir)
		if err != nil {
			continue
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || !slices.Contains(users, int(st.Uid)) {
			continue
		}
		data, err := os.ReadFile(dir + "/cmdline")
		if err == nil && isPythonDaemon(strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")) {
			out = append(out, filepath.Base(dir))
		}
	}
	return out
}

// isPythonDaemon tells whether a command line is python running a daemon: one of the modules, as a file
// or with -m, or upstream's command line that starts one and stays, as it does without --detach.
func isPythonDaemon(args []string) bool {
	if !strings.HasPrefix(path.Base(args[0]), "python") {
		return false
	}
	for i, arg := range args[1:] {
		if arg == "-m" && i+2 < len(args) {
			module := args[i+2]
			name := module[strings.LastIndexByte(module, '.')+1:]
			return pythonDaemons[name] || strings.Contains(module, "ipfs_kit") && startsDaemon(name, args[i+3:])
		}
		if !strings.HasPrefix(arg, "-") {
			name := strings.TrimSuffix(path.Base(arg), ".py")
			return pythonDaemons[name] || strings.HasPrefix(strings.ReplaceAll(name, "-", "_"), "ipfs_kit") && startsDaemon(name, args[i+2:])
		}
	}
	return false
}

// startsDaemon tells whether a command line of upstream's, after the program's name, starts a daemon.
func startsDaemon(name string, rest []string) bool {
	return slices.Contains(rest, "start") && (name == "daemon_cli" || len(rest) > 0 && rest[0] == "daemon")
}
