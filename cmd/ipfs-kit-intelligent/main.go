// Command ipfs-kit-intelligent is the service ("run") and its stand-alone client.
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
	os.Exit(cli.MainIntelligent(os.Args[1:], env))
}
