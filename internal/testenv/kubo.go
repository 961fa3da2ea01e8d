package testenv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// KuboToken is what a node of StartKubo asks for.
const KuboToken = "planted-secret-0123456789"

// Kubo is a real node without a network, with a repository of its own.
type Kubo struct {
	// Repo is the folder of its repository.
	Repo string
	// API is the multiaddr of its RPC interface.
	API string

	cmd *exec.Cmd
}

// StartKubo starts a node of the program that IPFSKIT_KUBO names; the caller stops it.
func StartKubo(t testing.TB) *Kubo {
	t.Helper()
	bin := os.Getenv("IPFSKIT_KUBO")
	if bin == "" {
		Skip(t, "no real node: IPFSKIT_KUBO is not the path of a Kubo program (scripts/kubo gets one)")
	}
	dir, err := os.MkdirTemp("", "ipfskit-kubo")
	if err != nil {
		t.Fatal(err)
	}
	k, err := runKubo(bin, dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Stop ends the node and removes its repository.
func (k *Kubo) Stop() {
	_ = k.cmd.Process.Signal(syscall.SIGTERM)
	_ = k.cmd.Wait()
	_ = os.RemoveAll(filepath.Dir(k.Repo))
}

// Ask calls the node as another program would.
func (k *Kubo) Ask(t testing.TB, path string, args url.Values) (string, error) {
	t.Helper()
	host := strings.Split(k.API, "/")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host[2]+":"+host[4]+"/api/v0/"+path+"?"+args.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+KuboToken)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(string(text))
	}
	return string(text), nil
}

// Damage changes a byte in every leaf that the tests make (1 KiB of random bytes)
// in the node's repository, until the test ends.
func (k *Kubo) Damage(t testing.TB) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(k.Repo, "blocks"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".data") {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil || len(data) != 1024 {
			return err
		}
		n++
		t.Cleanup(func() {
			if err := os.WriteFile(p, data, 0o600); err != nil {
				t.Errorf("mend the node: %v", err)
			}
		})
		bad := bytes.Clone(data)
		bad[500] ^= 1
		return os.WriteFile(p, bad, 0o600)
	})
	if err != nil || n == 0 {
		t.Fatalf("%d blocks damaged: %v", n, err)
	}
}

// RemoveBlock takes the file of a block away from the node's repository.
func (k *Kubo) RemoveBlock(t testing.TB, block []byte) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(k.Repo, "blocks"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".data") {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil || !bytes.Equal(data, block) {
			return err
		}
		n++
		return os.Remove(p)
	})
	if err != nil || n != 1 {
		t.Fatalf("%d files removed: %v", n, err)
	}
}

func runKubo(bin, dir string) (*Kubo, error) {
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
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { //nolint:forbidigo // a real process
		text, _ := os.ReadFile(log.Name())
		if bytes.Contains(text, []byte("Daemon is ready")) {
			addr, err := os.ReadFile(filepath.Join(repo, "api"))
			return &Kubo{Repo: repo, API: strings.TrimSpace(string(addr)), cmd: cmd}, err
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
		"test": map[string]any{"AuthSecret": "bearer:" + KuboToken, "AllowedPaths": []string{"/api/v0"}},
		"user": map[string]any{"AuthSecret": "basic:somebody:" + KuboToken, "AllowedPaths": []string{"/api/v0"}},
	}}
	if data, err = json.MarshalIndent(c, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
