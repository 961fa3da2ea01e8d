package dbus

import (
	"testing"

	"ipfskit.org/intelligent/internal/status"
)

// Every member of the interface files is served, with the very types they name.
func TestEveryMemberOfTheInterfaceIsServed(t *testing.T) {
	for name, def := range model() {
		for _, m := range def.Methods {
			if functions[name+"."+m.Name].run == nil {
				t.Errorf("%s.%s is not served", name, m.Name)
			}
			for _, a := range m.Args {
				if a.Direction != "out" {
					zero(a.Type)
				}
			}
		}
	}
	for iface, v := range map[string]values{ifManager: managerValues(status.Manager{}), ifBackend: backendValues(status.Backend{}),
		ifTask: taskValues(status.Task{}), ifWorker: workerValues(status.Worker{})} {
		variants := v.variants()
		for _, p := range model()[iface].Properties {
			got, ok := variants[p.Name]
			if !ok || got.Signature().String() != p.Type {
				t.Errorf("%s.%s: type %q, want %q (there: %v)", iface, p.Name, got.Signature(), p.Type, ok)
			}
			delete(variants, p.Name)
		}
		for extra := range variants {
			t.Errorf("%s.%s is no property of the interface", iface, extra)
		}
	}
}

func TestPathsOfBackendsAreReversible(t *testing.T) {
	for _, name := range []string{"nas", "a-b_c", "Ünï", "1", "with space", "a/b"} {
		got, ok := backendName(BackendPath(name))
		if !ok || got != name {
			t.Errorf("%q: %q %v", name, got, ok)
		}
	}
	if _, ok := backendName(backendsPath + "/a_2"); ok {
		t.Error("a label that no name has was taken")
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add("a_2db")
	f.Fuzz(func(t *testing.T, label string) {
		if name, ok := unescape(label); ok && name != "" {
			if got, ok := backendName(BackendPath(name)); !ok || got != name {
				t.Errorf("%q → %q → %q", label, name, got)
			}
		}
	})
}
