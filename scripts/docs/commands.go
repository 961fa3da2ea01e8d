package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ipfskit.org/intelligent/internal/cli"
	"ipfskit.org/intelligent/internal/config"
)

// commands are the subcommands that people see.
func commands(of *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range of.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, c)
		}
	}
	return out
}

// tree is the whole tree, with the commands that cobra itself adds.
func tree() *cobra.Command {
	root := cli.Commands()
	root.InitDefaultCompletionCmd()
	return root
}

// about is what a command says of itself.
func about(c *cobra.Command) string {
	if c.Long != "" {
		return c.Long
	}
	return c.Short + "."
}

// flagName writes a flag as it is typed.
func flagName(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if arg, _ := pflag.UnquoteUsage(f); arg != "" {
		name += " " + strings.ToUpper(arg)
	}
	return name
}

func flagText(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "-1" {
		text += " (default " + f.DefValue + ")"
	}
	return text
}

func flags(of *pflag.FlagSet) []*pflag.Flag {
	var out []*pflag.Flag
	of.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			out = append(out, f)
		}
	})
	return out
}

func commandsPage() string {
	var sb strings.Builder
	sb.WriteString(generated + "# Commands\n\nEach is `ipfs-kit-intelligent COMMAND`, and `ipfs-kit daemon intelligent COMMAND` as well. All take these flags:\n\n")
	root := tree()
	flagTable(&sb, root.PersistentFlags())
	for _, group := range append(root.Groups(), &cobra.Group{Title: "Others:"}) {
		fmt.Fprintf(&sb, "## %s\n\n", strings.TrimSuffix(group.Title, ":"))
		for _, c := range commands(root) {
			if c.GroupID == group.ID {
				commandText(&sb, c)
			}
		}
	}
	sb.WriteString("## Exit statuses\n\n| status | meaning |\n| --- | --- |\n")
	for _, e := range cli.ExitCodes {
		fmt.Fprintf(&sb, "| %d | %s |\n", e.Code, e.Text)
	}
	return sb.String()
}

func commandText(sb *strings.Builder, c *cobra.Command) {
	if sub := commands(c); len(sub) > 0 {
		for _, s := range sub {
			commandText(sb, s)
		}
		return
	}
	path := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
	fmt.Fprintf(sb, "### %s\n\n    %s\n\n%s\n\n", path, strings.TrimSuffix(c.UseLine(), " [flags]"), cell(about(c)))
	if c.Example != "" {
		for line := range strings.Lines(c.Example) {
			fmt.Fprintf(sb, "    %s\n", strings.TrimSpace(line))
		}
		sb.WriteString("\n")
	}
	flagTable(sb, c.LocalNonPersistentFlags())
	if own := cli.Exits(c); len(own) > 0 {
		sb.WriteString("| exit status | meaning |\n| --- | --- |\n")
		for _, e := range own {
			code, text, _ := strings.Cut(e, " ")
			fmt.Fprintf(sb, "| %s | %s |\n", code, cell(text))
		}
		sb.WriteString("\n")
	}
}

func flagTable(sb *strings.Builder, of *pflag.FlagSet) {
	all := flags(of)
	if len(all) == 0 {
		return
	}
	sb.WriteString("| flag | meaning |\n| --- | --- |\n")
	for _, f := range all {
		fmt.Fprintf(sb, "| `%s` | %s |\n", flagName(f), cell(flagText(f)))
	}
	sb.WriteString("\n")
}

// cell keeps a text from breaking out of a table or becoming a tag.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\t", "    ").Replace(strings.TrimSpace(s))
}

func configurationPage() string {
	var sb strings.Builder
	sb.WriteString(generated + `# Configuration

` + configurationFiles + "\n\n| key | default | meaning | it may be |\n| --- | --- | --- | --- |\n")
	for _, k := range config.Reference() {
		fmt.Fprintf(&sb, "| `%s` | `%s` | %s | %s |\n", k.Key, k.Default, cell(k.Text), cell(k.Allowed))
	}
	return sb.String()
}

// configurationFiles says where the configuration is read, for both pages of it.
const configurationFiles = `All keys have defaults. Files are read in this order, and the later one wins, key by key: intelligent.yaml and
intelligent.d/*.yaml in /etc/ipfs-kit, then the same in $XDG_CONFIG_HOME/ipfs-kit (~/.config/ipfs-kit), which
the system's service does not read. A dot in a key is a group in YAML, and a key with its dots is read as well.`
