package ipfs_test

import (
	"sync"
	"testing"

	"ipfskit.org/intelligent/internal/testenv"
)

const kuboToken = testenv.KuboToken

// theKubo is the real node of all tests of this package.
var theKubo struct {
	sync.Mutex
	node *testenv.Kubo
}

// startKubo gives the node, started at the first call; TestMain stops it.
func startKubo(t *testing.T) *testenv.Kubo {
	t.Helper()
	theKubo.Lock()
	defer theKubo.Unlock()
	if theKubo.node == nil {
		theKubo.node = testenv.StartKubo(t)
	}
	return theKubo.node
}

func stopKubo() {
	if theKubo.node != nil {
		theKubo.node.Stop()
	}
}
