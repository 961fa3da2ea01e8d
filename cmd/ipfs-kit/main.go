// Command ipfs-kit is the client: its "daemon intelligent" commands are ours,
// all others go to the Python program of the same name.
package main

import (
	"context"
	"os"

	"ipfskit.org/intelligent/internal/cli"
	"ipfskit.org/intelligent/service"
)

func main() {
	env := cli.SystemEnv()
	env.Serve = func(ctx context.Context, o cli.ServeOptions) error {
		return service.Host(ctx, service.HostOptions(o), env.Getenv)
	}
	os.Exit(cli.Main(os.Args[1:], env))
}
