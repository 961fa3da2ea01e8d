package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// program is how the service and all texts call the commands, whichever of the two programs was typed.
const program = "ipfs-kit-intelligent"

// named has the next steps name what the person types: with --system where that was said.
func (a *app) named(root *cobra.Command) {
	if a.commands != nil {
		return
	}
	verbs := make([]string, 0, len(root.Commands()))
	for _, c := range root.Commands() {
		verbs = append(verbs, regexp.QuoteMeta(c.Name()))
	}
	a.commands = regexp.MustCompile(program + `(?: --system)? (` + strings.Join(verbs, "|") + `)\b`)
	if a.system {
		a.name += " --system"
	}
}

// typed has a text of the service or of doctor name the commands as this person types them.
func (a *app) typed(text string) string {
	if a.commands != nil {
		text = a.commands.ReplaceAllString(text, strings.ReplaceAll(a.name, "$", "$$")+" $1")
	}
	if a.onSystem() {
		text = strings.NewReplacer("systemctl --user ", "systemctl ", "journalctl --user ", "journalctl ").Replace(text)
	}
	return text
}
