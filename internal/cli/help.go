package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// help is what a command says of itself beside its short text.
type help struct {
	// long says more than the short text; empty: there is no more to say.
	long string
	// examples are the words after the program's name, one command each; {} stands for the name where it is not the first.
	examples []string
	// exits are the exit statuses that mean more here than everywhere, one a line.
	exits []string
}

// exitsAnnotation is the key under which a command has its exit statuses, for the documents.
const exitsAnnotation = "exits"

// Exits are the lines of a command's help about its own exit statuses; none where it has those of all commands alone.
func Exits(c *cobra.Command) []string {
	if text := c.Annotations[exitsAnnotation]; text != "" {
		return strings.Split(text, "\n")
	}
	return nil
}

// ofWaiting are the exit statuses of commands that can wait for what they asked for.
var ofWaiting = []string{
	"0 asked for; with --wait: all of it is done",
	"1 refused; with --wait: nothing of it was done",
	"5 with --wait: some of it was done",
	"6 with --wait: --timeout is over; the tasks go on",
	"7 there is no such backend",
}

// helps are the texts by command.
var helps = map[string]help{
	"status": {`How the service and its backends are. Without names: those that need
attention, the pressing first, at most 100.`,
		[]string{"status", "status nas --json", "status --state dirty"}, []string{"7 there is no such backend"}},
	"insights": {"All backends and buckets in numbers: what has to be synced and backed up, how\noften each CID is stored, and what happened today and in 7 and 30 days.",
		[]string{"insights"}, nil},
	"health": {"What is wrong with the service and its backends, and what to do about it. What\nkeeps the service from running, doctor says.",
		[]string{"health", "health --quiet || echo look at it"}, []string{"0 nothing is wrong", "4 something is wrong"}},
	"errors":   {"What went wrong, each kind of trouble once, with how often and when.", []string{"errors", "errors nas"}, []string{"7 there is no such backend"}},
	"backends": {"", []string{"backends", "backends --state unhealthy"}, nil},
	"tasks":    {"", []string{"tasks --state running", "tasks --backend nas --since 2d"}, []string{"7 there is no such backend"}},
	"explain": {"Why the planner acts on a backend now, or does not: each rule that it looked\nat, and what came of it.",
		[]string{"explain nas"}, []string{"7 there is no such backend"}},
	"where": {"Which backends hold a CID, by their pin mappings. No backend is asked.",
		nil, nil},
	"watch": {`On a terminal: a table that follows what happens. Elsewhere: a line for each
event. With --json: an object a line; the first one (event "state") holds all
that ` + "`status --detailed --json`" + ` shows, and each other one what changed since.
Properties in "changed" have the names and units of the D-Bus interface. When
the service ends it is waited for until it comes back.`, []string{"watch", "watch --json"}, nil},
	"history": {`What happened, oldest first. What is long past is told as sums of hours, then
of days. A time is how long ago (90m, 24h, 7d), a time of today (15:04), a day
(2026-11-01) or both (2026-11-01T10:30); without a zone it is this machine's.`,
		[]string{"history --since 7d --backend nas", "history --what transitions"}, []string{"7 there is no such backend"}},
	"logs": {"Under systemd it is the unit's journal; of a service that was started in the\nbackground without systemd it is the file `log` among its state.",
		[]string{"logs -n 20", "logs nas --since 2h"}, nil},
	"sync": {`Copy now what is missing, and verify it: to dirty backends, or to those that
are named, dirty or not. It returns at once; with --wait at the end.`,
		[]string{"sync", "sync --dry-run", "sync --backend nas --wait --timeout 10m"}, ofWaiting},
	"check":  {"Check now whether backends work: those that are named, or all.", []string{"check", "check nas --wait"}, ofWaiting},
	"backup": {"Back up the indices of buckets and the metadata now: to the backends that are\nnamed, or to the usual targets.", []string{"backup", "backup nas --wait"}, ofWaiting},
	"verify": {"Read back what is stored, and restore the newest backups to a scratch folder, as\nproof: on the backends that are named, or on all.", []string{"verify nas --wait"}, ofWaiting},
	"restore": {`buckets, metadata: write the newest backup on a backend, or the one that
--backup names, back into the home, or into another folder. With --overwrite
what was there is kept beside what replaces it.

pins: read back all that belongs on the backend (by its mapping, its newest
backup of metadata, the buckets, and what lies there), bring what is missing or
damaged from wherever it is, verified, and add the rows that the mapping lost.
With --into, its content is copied to a folder, laid out as a filesystem
backend is, and nothing else changes.

Without --overwrite nothing that is there is touched.`,
		[]string{"restore nas metadata --into ~/restored --wait", "restore nas pins --overwrite --wait"}, ofWaiting},
	"dismiss": {`Give up the unsynced actions of a backend: they are marked as dismissed and will
never be done. Nothing that is stored is removed. It asks first; where nobody
can be asked, --yes must say it.`, []string{"dismiss nas"}, []string{"1 it was not given up", "7 there is no such backend"}},
	"pause": {"Start no new tasks, of a backend or of all. What runs goes on to its end.",
		[]string{"pause nas --for 2h", "pause"}, []string{"7 there is no such backend"}},
	"resume": {"", []string{"resume nas", "resume"}, []string{"7 there is no such backend"}},
	"rescan": {"Read the whole home again now. It is never needed: what changes is heard of, or\nseen by the next look in turn.", nil, nil},
	"task cancel": {"End a task. What runs ends after the item that it is at; a mark stays, and is\ntried again later.",
		[]string{"task cancel 42"}, []string{"1 it has ended already", "7 there is no such task"}},
	"task retry": {"Try a task now that waits for its next try, or for what blocks it.", []string{"task retry 42"}, []string{"1 it has ended already", "7 there is no such task"}},
	"task show":  {"All that is known of a task: why it is there, how far it is, what went wrong,\nand its log.", []string{"task show 42"}, []string{"7 there is no such task"}},
	"worker restart": {"Replace a worker by a fresh one: metadata_reader, dirty_monitor, health_monitor\nor task_executor. A worker that hangs is replaced without it.",
		[]string{"worker restart dirty_monitor"}, []string{"7 there is no such worker"}},
	"run": {"Be the service until it is told to end. This is what the unit starts; people use\nstart.", nil,
		[]string{"75 its unit starts it again: a folder came into its sandbox", "78 the configuration is wrong"}},
	"start": {`Start the service: here, until Ctrl-C, or with --detach in the background. One
that runs already is left as it is.`, []string{"start --detach"}, []string{"78 the configuration is wrong"}},
	"stop":    {"Stop the service and wait for its end. What it was at goes on after the next\nstart. One that does not run is no error.", nil, nil},
	"restart": {"Stop the service, if it runs, and start it in the background.", nil, []string{"78 the configuration is wrong"}},
	"reload":  {"Have the service read its configuration again. A wrong one is refused, and the\nold one stays.", nil, []string{"78 the configuration is wrong"}},
	"wait": {`Wait until the service has read the home (ready), no backend is dirty (clean),
or none is unhealthy (healthy). A service that does not run yet is waited for.`,
		[]string{"wait --timeout 30s", "wait --for clean --timeout 10m"}, []string{"6 --timeout is over"}},
	"doctor": {`What is wrong, also while nothing runs, and how to mend it: the home, its files,
backends and credentials, the unit and its sandbox, the machine. It changes
nothing, save with --install.`, []string{"doctor", "doctor --drop-in"}, []string{"0 nothing is wrong", "4 something is wrong"}},
	"inspect":               {"A file of the home (Parquet, JSON or YAML) as the service reads it, without\nits secrets: a JSON object a row, or the whole document.", []string{"inspect ~/.ipfs_kit/backends/nas.yaml"}, nil},
	"config check":          {"Read the configuration as the service does, and name what is wrong with file,\nline and key.", nil, []string{"0 it is right", "78 it is wrong"}},
	"config show":           {"The configuration that counts, a key a line, defaults included; what a file sets\nis followed by the file and line.", nil, []string{"78 it is wrong"}},
	"version":               {"", nil, nil},
	"completion":            {"Print a script that has a shell complete commands, flags, and the names of\nbackends, tasks and workers. `make install` puts it where bash, zsh and fish\nlook for it.", nil, nil},
	"completion bash":       {"The script for bash. It needs the package bash-completion.", []string{"source <({} completion bash)"}, nil},
	"completion zsh":        {"The script for zsh, where compinit was called.", []string{"source <({} completion zsh)"}, nil},
	"completion fish":       {"The script for fish.", []string{"{} completion fish | source"}, nil},
	"completion powershell": {"The script for PowerShell.", nil, nil},
}

// helpCommand makes the word help know what it was not asked for.
func (a *app) helpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	c, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	c.Run = nil
	c.RunE = func(_ *cobra.Command, args []string) error {
		of, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return a.group(of, rest)
		}
		of.InitDefaultHelpFlag() // it is shown
		return of.Help()
	}
}

// describe gives each command the texts of helps.
func (a *app) describe(root *cobra.Command) {
	a.helpCommand(root)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Short = "Print the script that completes commands in a shell"
		c.Args, c.RunE = cobra.ArbitraryArgs, a.group
		for _, sub := range c.Commands() {
			sub.Short = "The script for " + sub.Name()
		}
	}
	for path, h := range helps {
		cmd, _, err := root.Find(strings.Fields(path))
		if err != nil {
			continue
		}
		if h.long != "" {
			cmd.Long = h.long
		}
		for i, e := range h.examples {
			if i > 0 {
				cmd.Example += "\n"
			}
			if !strings.Contains(e, "{}") {
				e = "{} " + e
			}
			cmd.Example += "  " + strings.ReplaceAll(e, "{}", a.name)
		}
		cmd.Annotations = map[string]string{exitsAnnotation: strings.Join(h.exits, "\n")}
	}
	var all []string
	for _, e := range ExitCodes {
		all = append(all, fmt.Sprintf("%d %s", e.Code, e.Text))
	}
	root.Annotations[exitsAnnotation] = strings.Join(all, "\n")
}

// exitLines are a command's exit statuses as its help shows them.
func exitLines(c *cobra.Command) string {
	var sb strings.Builder
	for _, e := range Exits(c) {
		code, text, _ := strings.Cut(e, " ")
		fmt.Fprintf(&sb, "\n  %2s  %s", code, text)
	}
	return sb.String()
}
