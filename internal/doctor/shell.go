package doctor

import "ipfskit.org/intelligent/internal/human"

// shell writes a path so that it can be copied into a command.
func shell(path string) string { return human.Shell(path) }
