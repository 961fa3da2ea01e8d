// Command bench measures the service at several sizes and prints a table:
// mark → detected, mark → cleared, idle CPU, resident memory, start → READY.
// All figures of one row are of one run; speed is also shown as a ratio to an
// atomic write (write, fsync, rename, fsync of the folder), measured in the same run.
//
// BENCH_SIZES=10,1000,10000 BENCH_IDLE=200s BENCH_MARKS=50
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/privatebus"
	"ipfskit.org/intelligent/scripts/sample"
)

func main() {
	fmt.Printf("%8s %10s %12s %12s %12s %12s %8s %12s %10s\n", "backends", "READY", "detected p50", "cleared p50", "cleared p99", "atomic write", "ratio", "idle CPU/min", "RSS")
	for _, text := range strings.Split(env("BENCH_SIZES", "10,1000,10000"), ",") {
		n, err := strconv.Atoi(text)
		if err == nil {
			err = measure(n)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

func env(key, def string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return def
}

// measure is one row.
func measure(n int) (err error) {
	dir, err := os.MkdirTemp("", "ipfs-kit-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if os.Getenv("BENCH_KEEP") == "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	h, err := makeHome(dir, n)
	if err != nil {
		return err
	}
	s, ready, err := start(dir, h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.settle(); err != nil {
		return err
	}
	marks, err := strconv.Atoi(env("BENCH_MARKS", "50"))
	if err != nil {
		return err
	}
	detected, cleared, err := latency(h, s, n, marks)
	if err != nil {
		return err
	}
	atomic, err := atomicWrite(dir)
	if err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	idle, rss, err := s.idle()
	if err != nil {
		return err
	}
	fmt.Printf("%8d %8.0fms %10.2fms %10.2fms %10.2fms %10.2fms %8.1f %10.0fms %7.1fMiB\n", n, ms(ready), ms(p(detected, 50)), ms(p(cleared, 50)), ms(p(cleared, 99)),
		ms(atomic), float64(p(cleared, 50))/float64(atomic), ms(idle), float64(rss)/(1<<20))
	return nil
}

// backend is the name of the i-th one.
func backend(i int) string { return fmt.Sprintf("fs-%06d", i) }

// makeHome makes a home as scripts/gen_home.py does where there is a python for it: both layouts of
// configurations, ten buckets a backend in two registries, mappings, pins. Else one with configurations alone.
func makeHome(dir string, n int) (sample.Home, error) {
	h, err := sample.New(dir)
	if err != nil {
		return h, err
	}
	if python := os.Getenv("IPFSKIT_PYTHON"); python != "" {
		h.Disks = filepath.Join(dir, "storage")
		out, err := exec.Command(python, "scripts/gen_home.py", "--backends", strconv.Itoa(n), "--buckets", strconv.Itoa(10*n), "--fs-root", dir).CombinedOutput()
		if err != nil {
			return h, fmt.Errorf("make a home: %w: %s", err, out)
		}
		return h, nil
	}
	for i := range n {
		if err := h.Backend(backend(i)); err != nil {
			return h, err
		}
	}
	return h, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func p(all []time.Duration, percent int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)*percent/100, len(all)-1)]
}

// service is a running one.
type service struct {
	cmd *exec.Cmd
	bus *privatebus.Bus
	log *os.File
	dir string
}

// start runs the service under a notify socket of ours, and says how long READY took.
func start(dir string, h sample.Home) (*service, time.Duration, error) {
	run := filepath.Join(dir, "run")
	if err := os.MkdirAll(run, 0o700); err != nil {
		return nil, 0, err
	}
	bus, err := privatebus.Start(context.Background(), run, clock.System)
	if err != nil {
		return nil, 0, err
	}
	sock := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: sock, Net: "unixgram"})
	if err != nil {
		return nil, 0, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, 0, err
	}
	s := &service{cmd: exec.Command("bin/ipfs-kit-intelligent", "run", "--bus", bus.Address), bus: bus, log: log, dir: dir}
	s.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + run, "IPFS_KIT_HOME=" + h.Path, "NOTIFY_SOCKET=" + sock}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, 0, err
	}
	buf := make([]byte, 4096)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			return nil, 0, err
		}
		k, err := conn.Read(buf)
		if err != nil {
			return nil, 0, fmt.Errorf("no READY: %w", errors.Join(err, s.stop()))
		}
		if strings.Contains(string(buf[:k]), "READY=1") {
			took := time.Since(began)
			go func() { // nobody else listens: the service must not wait for room
				for {
					if conn.SetReadDeadline(time.Time{}) != nil {
						return
					}
					if _, err := conn.Read(buf); err != nil {
						return
					}
				}
			}()
			return s, took, nil
		}
	}
}

func (s *service) stop() error {
	err := s.cmd.Process.Signal(os.Interrupt)
	s.cmd.Wait()
	return errors.Join(err, s.bus.Close(), s.log.Close())
}

// cpu is the processor time that the service has used.
func (s *service) cpu() (time.Duration, error) {
	total := time.Duration(0)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for _, t := range tasks {
		data, err := os.ReadFile(t)
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(data))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// settle waits until the first checks are done: little is used for a while.
func (s *service) settle() error {
	last, err := s.cpu()
	quiet := 0
	for range 300 {
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		var now time.Duration
		if now, err = s.cpu(); now-last < 4*time.Millisecond {
			quiet++
		} else {
			quiet = 0
		}
		if quiet == 3 {
			return err
		}
		last = now
	}
	return errors.New("the service does not come to rest")
}

// idle is the processor time a minute while nothing happens, and the resident memory.
func (s *service) idle() (time.Duration, int64, error) {
	length, err := time.ParseDuration(env("BENCH_IDLE", "200s"))
	if err != nil {
		return 0, 0, err
	}
	from, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(length)
	to, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	return time.Duration(float64(to-from) * float64(time.Minute) / float64(length)), pages * int64(os.Getpagesize()), err
}

// latency marks backends one after the other, and times until the log says dirty, and the mark is cleared.
func latency(h sample.Home, s *service, n, marks int) (detected, cleared []time.Duration, err error) {
	for i := range marks {
		name := backend(i * 97 % n)
		cid, err := h.Content(uint64(i), 2, 2<<10)
		if err != nil {
			return nil, nil, err
		}
		if err := h.Mark(name, cid); err != nil {
			return nil, nil, err
		}
		fi, err := os.Stat(h.MarkPath(name))
		if err != nil {
			return nil, nil, err
		}
		began := fi.ModTime()
		var seen time.Duration
		for {
			if seen == 0 {
				if _, err := os.Stat(filepath.Join(h.Disks, name, ".ipfs-kit-backend.json")); err == nil {
					seen = time.Since(began)
				}
			}
			var doc struct {
				Dirty bool `json:"is_dirty"`
			}
			data, err := os.ReadFile(h.MarkPath(name))
			if err == nil && json.Unmarshal(data, &doc) == nil && !doc.Dirty {
				cleared = append(cleared, time.Since(began))
				break
			}
			if time.Since(began) > 30*time.Second {
				return nil, nil, fmt.Errorf("the mark of %s was not cleared in 30 s", name)
			}
			time.Sleep(200 * time.Microsecond)
		}
		detected = append(detected, seen)
		time.Sleep(20 * time.Millisecond)
	}
	return detected, cleared, nil
}

// atomicWrite is the median of what any safe write costs here.
func atomicWrite(dir string) (time.Duration, error) {
	var all []time.Duration
	for range 50 {
		began := time.Now()
		f, err := os.Create(filepath.Join(dir, "a.tmp"))
		if err != nil {
			return 0, err
		}
		_, err = f.Write(make([]byte, 1000))
		err = errors.Join(err, f.Sync(), f.Close(), os.Rename(f.Name(), filepath.Join(dir, "a")))
		d, e := os.Open(dir)
		if err := errors.Join(err, e); err != nil {
			return 0, err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	return p(all, 50), nil
}
