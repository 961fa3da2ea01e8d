// Command ipfs-kit is the client: its "daemon intelligent" commands are ours,
// all others go to the Python program of the same name.
package main

import (
	"os"

	"ipfskit.org/intelligent/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], cli.SystemEnv())) }
