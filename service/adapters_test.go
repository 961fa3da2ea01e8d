package service

import (
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
)

// A comparison may remove what lies in a backend's cars/: a registry that names the home or the machine gives nobody theirs.
func TestARowOfTheRegistryDoesNotGiveTheMachineOrTheHome(t *testing.T) {
	for endpoint, want := range map[string]string{"/": "the whole machine", "/home/u/.ipfs_kit/": "the home itself", "file:///home/u/.ipfs_kit": "the home itself", "/mnt/disk": ""} {
		_, err := specOf(&catalog.Backend{Name: "nas", Row: &home.RegistryRow{Name: "nas", Type: "local_fs", Endpoint: endpoint}}, "/home/u/.ipfs_kit")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", endpoint, err, want)
		}
	}
}
