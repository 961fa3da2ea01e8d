// Command ipfs-kit-intelligent is the service ("run") and its stand-alone client.
package main

import (
	"os"

	"ipfskit.org/intelligent/internal/cli"
)

func main() { os.Exit(cli.MainIntelligent(os.Args[1:], cli.SystemEnv())) }
