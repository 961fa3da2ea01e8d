package ipfs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// kubo is a real node without a network, with a repository of its own, for all tests of this package.
type kubo struct {
	repo string
	api  string
	cmd  *exec.Cmd
}

const kuboToken = "planted-secret-0123456789"

var theKubo struct {
	sync.Mutex
	node *kubo
}

// startKubo gives the node, started at the first call; TestMain stops it.
func startKubo(t *testing.T) *kubo {
	t.Helper()
	bin := os.Getenv("IPFSKIT_KUBO")
	if bin == "" {
		if os.Getenv("IPFSKIT_CI") == "1" {
			t.Fatal("IPFSKIT_KUBO must be the path of a Kubo program (ipfs)")
		}
		t.Skip("no real node: set IPFSKIT_KUBO to the path of a Kubo program (ipfs)")
	}
	theKubo.Lock()
	defer theKubo.Unlock()
	if theKubo.node == nil {
		dir, err := os.MkdirTemp("", "ipfskit-kubo")
		if err != nil {
			t.Fatal(err)
		}
		k, err := runKubo(bin, dir)
		if err != nil {
			t.Fatal(err)
		}
		theKubo.node = k
	}
	return theKubo.node
}

func stopKubo() {
	k := theKubo.node
	if k == nil {
		return
	}
	_ = k.cmd.Process.Signal(syscall.SIGTERM)
	_ = k.cmd.Wait()
	_ = os.RemoveAll(filepath.Dir(k.repo))
}

func runKubo(bin, dir string) (*kubo, error) {
	repo := filepath.Join(dir, "repo")
	env := append(os.Environ(), "IPFS_PATH="+repo, "IPFS_TELEMETRY=off")
	init := exec.Command(bin, "init", "--profile=test")
	init.Env = env
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("init a node: %w: %s", err, out)
	}
	if err := configure(filepath.Join(repo, "config")); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the node has its own handle
	cmd := exec.Command(bin, "daemon", "--offline")
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { //nolint:forbidigo // a real process
		text, _ := os.ReadFile(log.Name())
		if bytes.Contains(text, []byte("Daemon is ready")) {
			addr, err := os.ReadFile(filepath.Join(repo, "api"))
			return &kubo{repo: repo, api: strings.TrimSpace(string(addr)), cmd: cmd}, err
		}
	}
	text, _ := os.ReadFile(log.Name())
	_ = cmd.Process.Kill()
	return nil, fmt.Errorf("the node did not start: %s", text)
}

// configure keeps the node to this machine, and its RPC to those who know the secret.
func configure(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var c map[string]any
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	c["Bootstrap"] = []string{}
	c["AutoConf"] = map[string]any{"Enabled": false}
	c["AutoTLS"] = map[string]any{"Enabled": false}
	c["Routing"] = map[string]any{"Type": "none"}
	c["Provide"] = map[string]any{"Enabled": false}
	c["DNS"] = map[string]any{"Resolvers": map[string]string{}}
	c["Ipns"] = map[string]any{"DelegatedPublishers": []string{}}
	c["API"] = map[string]any{"Authorizations": map[string]any{
		"test": map[string]any{"AuthSecret": "bearer:" + kuboToken, "AllowedPaths": []string{"/api/v0"}},
		"user": map[string]any{"AuthSecret": "basic:somebody:" + kuboToken, "AllowedPaths": []string{"/api/v0"}},
	}}
	if data, err = json.MarshalIndent(c, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
