package types_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func spec(typ, path string, settings map[string]string) types.Spec {
	return types.Spec{Name: "b1", Type: typ, RootPath: path, String: func(keys ...string) string {
		for _, k := range keys {
			if v := settings[k]; v != "" {
				return v
			}
		}
		return ""
	}}
}

func deps() types.Deps {
	return types.Deps{Clock: clock.System, Lane: backend.NewLane(1, clock.System)}
}

func TestEveryNamedTypeOpens(t *testing.T) {
	if len(types.Names()) == 0 || !slices.IsSorted(types.Names()) {
		t.Fatalf("names: %v", types.Names())
	}
	for _, typ := range types.Names() {
		if !types.Has(typ) {
			t.Errorf("%s is named and not there", typ)
		}
		a, err := types.Open(t.Context(), spec(typ, t.TempDir(), nil), deps())
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: close: %v", typ, err)
		}
	}
}

func TestTypeWithoutAdapterIsAMatterOfConfiguration(t *testing.T) {
	a, err := types.Open(t.Context(), spec("lotus", "", nil), deps())
	if a != nil || backend.ClassOf(err) != backend.ClassConfiguration || !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("got %v, %v", a, err)
	}
	for _, part := range []string{"b1", `"lotus"`, "no adapter yet", "filesystem"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	if types.Has("lotus") {
		t.Error("has lotus")
	}
}

func TestRefusedSettingsGiveNoAdapter(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	for name, s := range map[string]types.Spec{
		"folder that is not there": spec("filesystem", gone, nil),
		"no folder":                spec("filesystem", "", nil),
		"address":                  spec("ipfs", "", map[string]string{"endpoint": "ftp://x"}),
		"two authorizations":       spec("ipfs", "", map[string]string{"token": "t", "username": "u"}),
	} {
		a, err := types.Open(t.Context(), s, deps())
		if a != nil || backend.ClassOf(err) != backend.ClassConfiguration {
			t.Errorf("%s: got %v, %v", name, a, err)
		}
	}
	if _, err := types.Open(t.Context(), spec("filesystem", gone, nil), deps()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestTargetTellsWhetherItIsAnotherPlace(t *testing.T) {
	node := func(api, token string) string {
		return types.Target(spec("ipfs", "", map[string]string{"api_url": api, "token": token}))
	}
	if a, b := node("http://u:secret@h:5001/api/v0", ""), node("/dns4/h/tcp/5001", "other"); a != b || strings.Contains(a, "secret") {
		t.Errorf("one place, two targets: %q %q", a, b)
	}
	if node("http://h:5001", "") == node("http://h:5002", "") {
		t.Error("two places, one target")
	}
	if types.Target(spec("filesystem", "/a", nil)) == types.Target(spec("filesystem", "/b", nil)) {
		t.Error("two folders, one target")
	}
	if got := types.Target(spec("lotus", "", map[string]string{"endpoint": "http://u:secret@h/x"})); !strings.Contains(got, "h/x") || strings.Contains(got, "secret") {
		t.Errorf("got %q", got)
	}
	if types.Target(spec("lotus", "", nil)) == "" {
		t.Error("no target")
	}
}

func TestFileSystemsGetOneTransferAtATime(t *testing.T) {
	if types.Transfers("filesystem") != 1 || types.Transfers("lotus") != 1 || types.Transfers("ipfs") < 2 {
		t.Error("wrong limits")
	}
}
