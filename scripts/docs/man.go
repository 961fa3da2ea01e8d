package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ipfskit.org/intelligent/internal/cli"
	"ipfskit.org/intelligent/internal/config"
)

// The program's name, and what mdoc(7) wants of a page: a date that says when the form of the pages changed last.
const (
	program = "ipfs-kit-intelligent"
	manDate = "November 1, 2026"
)

// page is one manual page in mdoc(7).
type page struct{ strings.Builder }

func newPage(name, section, about string) *page {
	p := &page{}
	p.line(`.\" Made by make docs; what is changed here is lost.`)
	p.line(".Dd " + manDate)
	p.line(".Dt " + strings.ToUpper(name) + " " + section)
	p.line(".Os")
	p.section("NAME")
	p.line(".Nm " + name)
	p.line(".Nd " + escape(about))
	return p
}

func (p *page) line(s string)       { p.WriteString(s + "\n") }
func (p *page) section(name string) { p.line(".Sh " + name) }

// text writes paragraphs, which a blank line divides; each sentence begins a line, as mdoc wants it.
func (p *page) text(s string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			p.line(".Pp")
		}
		sentences := strings.ReplaceAll(strings.Join(strings.Fields(paragraph), " "), ". ", ".\n")
		for _, l := range strings.Split(sentences, "\n") {
			p.wrapped(l)
		}
	}
}

// wrapped writes a sentence in lines of at most 80 bytes, as mdoc wants them.
func (p *page) wrapped(sentence string) {
	line := ""
	for _, word := range strings.Fields(sentence) {
		if line != "" && len(escape(line+" "+word)) > 79 {
			p.line(escape(line))
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	p.line(escape(line))
}

// escape keeps a line from being read as markup.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "…", "...", "µ", "\\(mc", "–", "\\(en").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// macroArg is escape for a word after a macro, where more words would be macros of their own.
func macroArg(s string) string { return `"` + strings.ReplaceAll(escape(s), `"`, `\(dq`) + `"` }

func (p *page) flags(of *pflag.FlagSet) {
	p.line(".Bl -tag -width Ds")
	for _, f := range flags(of) {
		arg, _ := pflag.UnquoteUsage(f)
		item := ".It Fl -" + f.Name
		if f.Shorthand != "" {
			item = ".It Fl " + f.Shorthand + " , Fl -" + f.Name
		}
		if arg != "" {
			item += " Ar " + macroArg(arg)
		}
		p.line(item)
		p.text(flagText(f))
	}
	p.line(".El")
}

// exits writes the exit statuses of a command, or where it has none of its own those of all.
func (p *page) exits(c *cobra.Command) {
	p.section("EXIT STATUS")
	own := cli.Exits(c)
	all := len(own) == 0 || c == c.Root()
	if all {
		own = cli.Exits(c.Root())
	}
	p.line(".Bl -tag -width Ds")
	for _, e := range own {
		code, text, _ := strings.Cut(e, " ")
		p.line(".It " + code)
		p.text(text)
	}
	p.line(".El")
	if !all {
		p.text("Those of all commands are in")
		p.line(".Xr " + program + " 1 .")
	}
}

// examples shows commands as they are typed.
func (p *page) examples(all ...*cobra.Command) {
	var lines []string
	for _, c := range all {
		if c.Example != "" {
			lines = append(lines, strings.Split(c.Example, "\n")...)
		}
	}
	if len(lines) == 0 {
		return
	}
	p.section("EXAMPLES")
	p.line(".Bd -literal -offset indent")
	for _, l := range lines {
		p.line(escape(strings.TrimSpace(l)))
	}
	p.line(".Ed")
}

// see writes SEE ALSO from pages as "name 1".
func (p *page) see(pages ...string) {
	p.section("SEE ALSO")
	for i, s := range pages {
		if i < len(pages)-1 {
			s += " ,"
		}
		p.line(".Xr " + s)
	}
}

// manPages are the pages of the programs, one of each command, the unit and the configuration.
func manPages() map[string]string {
	root := tree()
	out := map[string]string{
		"packaging/man/" + program + ".1":         rootPage(root),
		"packaging/man/" + program + ".service.8": unitPage(),
		"packaging/man/intelligent.yaml.5":        configurationManual(),
	}
	for _, c := range commands(root) {
		out["packaging/man/"+program+"-"+c.Name()+".1"] = commandManual(c)
	}
	return out
}

func rootPage(root *cobra.Command) string {
	p := newPage(program, "1", root.Short)
	p.section("SYNOPSIS")
	p.line(".Nm")
	p.line(".Op Ar flags")
	p.line(".Ar command")
	p.line(".Op Ar arguments")
	p.line(".Nm ipfs-kit daemon intelligent")
	p.line(".Ar command")
	p.section("DESCRIPTION")
	p.text(root.Long)
	p.line(".Pp")
	p.text("What was asked for goes to standard output, everything else to standard error. The commands:")
	p.line(".Bl -tag -width Ds")
	for _, c := range commands(root) {
		p.line(".It Xr " + program + "-" + c.Name() + " 1")
		p.text(c.Short)
	}
	p.line(".El")
	p.line(".Pp")
	p.text("All commands take these flags:")
	p.flags(root.PersistentFlags())
	p.section("ENVIRONMENT")
	p.line(".Bl -tag -width Ds")
	for _, e := range [][2]string{{"IPFS_KIT_HOME", "The home, instead of ~/.ipfs_kit."},
		{"IPFS_KIT_LEGACY", "The Python program ipfs-kit, to which all other commands of ipfs-kit go; else it is looked for in PATH."},
		{"NO_COLOR", "If set: no colours."},
		{"COLUMNS", "How wide a terminal is that does not tell it; else 80."}} {
		p.line(".It Ev " + e[0])
		p.text(e[1])
	}
	p.line(".El")
	p.exits(root)
	p.see("busctl 1", "journalctl 1", "intelligent.yaml 5", program+".service 8")
	return p.String()
}

func commandManual(c *cobra.Command) string {
	p := newPage(program+"-"+c.Name(), "1", c.Short)
	all := commands(c)
	if len(all) == 0 {
		all = []*cobra.Command{c}
	}
	p.section("SYNOPSIS")
	for _, s := range all {
		path := strings.TrimPrefix(s.CommandPath(), program+" ")
		p.line(".Nm " + program + " " + path)
		if s.HasAvailableLocalFlags() {
			p.line(".Op Ar flags")
		}
		if rest := strings.TrimSuffix(strings.TrimPrefix(s.UseLine(), s.CommandPath()), " [flags]"); strings.TrimSpace(rest) != "" {
			p.line(".Ar " + macroArg(strings.TrimSpace(rest)))
		}
	}
	p.section("DESCRIPTION")
	if len(commands(c)) > 0 {
		p.text(about(c))
		p.line(".Bl -tag -width Ds")
		for _, s := range all {
			p.line(".It Cm " + s.Name())
			p.text(about(s))
			if len(flags(s.LocalNonPersistentFlags())) > 0 {
				p.flags(s.LocalNonPersistentFlags())
			}
		}
		p.line(".El")
	} else {
		p.text(about(c))
		if len(flags(c.LocalNonPersistentFlags())) > 0 {
			p.line(".Pp")
			p.text("The flags:")
			p.flags(c.LocalNonPersistentFlags())
		}
	}
	p.line(".Pp")
	p.text("The flags of all commands are in")
	p.line(".Xr " + program + " 1 .")
	p.exits(c)
	p.examples(all...)
	p.see(program+" 1", "intelligent.yaml 5")
	return p.String()
}

func unitPage() string {
	p := newPage(program+".service", "8", "the service that keeps the backends of an IPFS Kit home in step")
	p.section("SYNOPSIS")
	p.line(".Nm")
	p.section("DESCRIPTION")
	p.text(`There is a unit of this name for each user, and one for the system. The user's serves ~/.ipfs_kit on the session bus:
systemctl --user enable --now ipfs-kit-intelligent. The system's serves /var/lib/ipfs-kit as the account ipfs-kit on the
system bus, in a sandbox: systemctl enable --now ipfs-kit-intelligent.

It tells systemd when it is ready, and pings its watchdog only while each of its workers makes progress. It is started
again when it fails, but not when its configuration is wrong (status 78). A reload reads the configuration again, and
keeps the old one if the new one is wrong. The home is never made: it is waited for.`)
	p.section("FILES")
	p.line(".Bl -tag -width Ds")
	for _, f := range [][2]string{{"~/.ipfs_kit", "The home; the system's is /var/lib/ipfs-kit."},
		{"~/.config/ipfs-kit/intelligent.yaml", "The configuration; the system's is /etc/ipfs-kit/intelligent.yaml."},
		{"~/.local/state/ipfs-kit-intelligent", "Its own database; the system's is in /var/lib/ipfs-kit-intelligent."}} {
		p.line(".It Pa " + f[0])
		p.text(f[1])
	}
	p.line(".El")
	p.see(program+" 1", program+"-doctor 1", "journalctl 1", "systemctl 1", "intelligent.yaml 5", "systemd.service 5")
	return p.String()
}

// configurationExample is a file as it may be.
const configurationExample = "intervals:\n  dirty: 5s\nlimits:\n  tasks: 2\npriority.dirty_new: 1"

func configurationManual() string {
	p := newPage("intelligent.yaml", "5", "configuration of ipfs-kit-intelligent")
	p.section("DESCRIPTION")
	p.text(configurationFiles)
	p.line(".Pp")
	p.text("The keys:")
	p.line(".Bl -tag -width Ds")
	for _, k := range config.Reference() {
		p.line(".It Ic " + k.Key)
		p.text(k.Text + ".")
		p.text("It may be " + k.Allowed + "; default: " + k.Default + ".")
	}
	p.line(".El")
	p.section("EXAMPLES")
	p.line(".Bd -literal -offset indent")
	p.line(configurationExample)
	p.line(".Ed")
	p.see(program+"-config 1", program+".service 8")
	return p.String()
}
