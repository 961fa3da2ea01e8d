package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ipfskit.org/intelligent/dbus/client"
	"ipfskit.org/intelligent/internal/config"
	"ipfskit.org/intelligent/internal/doctor"
	"ipfskit.org/intelligent/internal/status"
)

// doctorCommand looks for what is wrong, with and without a running service.
func (a *app) doctorCommand() *cobra.Command {
	var dropIn, install bool
	cmd := &cobra.Command{Use: "doctor", Short: "What is wrong, also while nothing runs, and how to mend it", Args: takes(0, 0)}
	cmd.Flags().BoolVar(&dropIn, "drop-in", false, "print the sandbox for the unit, with the folders of this home")
	cmd.Flags().BoolVar(&install, "install", false, "with --drop-in: put it in place")
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		if install && !dropIn {
			return usagef("--install belongs to --drop-in")
		}
		o, err := a.doctorOptions()
		if err != nil {
			return err
		}
		if dropIn {
			return a.dropIn(ctx, o, install)
		}
		if o.Service, err = a.askService(ctx); err != nil {
			o.LastEnd, o.Silent = a.whyNot(ctx, err), errors.Is(err, client.ErrSilent)
		}
		return a.showDiagnosis(doctor.Run(ctx, o))
	})
	return cmd
}

// askLimit is how long the service manager or the service may take to answer.
const askLimit = 10 * time.Second

func (a *app) doctorOptions() (doctor.Options, error) {
	paths, err := config.FindPaths(a.env.Getenv, a.system)
	if err != nil {
		return doctor.Options{}, err
	}
	return doctor.Options{Paths: paths, Clock: a.clk, Getenv: a.env.Getenv, Version: Version, System: a.system || a.bus == "system",
		Systemctl: func(ctx context.Context, args ...string) (string, error) {
			ctx, cancel := context.WithTimeout(ctx, askLimit)
			defer cancel()
			cmd := a.unit().command(ctx, "systemctl", args...)
			cmd.WaitDelay = time.Second
			out, err := cmd.Output()
			var ee *exec.ExitError
			if errors.As(err, &ee) && len(bytes.TrimSpace(ee.Stderr)) > 0 {
				err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(ee.Stderr))
			}
			return string(out), err
		}}, nil
}

// askService asks a running service for what it knows, whichever home it serves.
func (a *app) askService(ctx context.Context) (*doctor.Service, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askLimit, fmt.Errorf("%w within %s", client.ErrSilent, askLimit))
	defer cancel()
	c, err := a.find(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // it was only asked
	s := &doctor.Service{}
	if s.PID, err = c.Owner(ctx); err != nil {
		return nil, err
	}
	if s.Manager, err = c.Properties(ctx); err != nil {
		return nil, err
	}
	if s.Blocked, _, err = c.ListBackends(ctx, status.BackendQuery{State: "blocked", Limit: 1000}); err != nil {
		return nil, err
	}
	doc, err := c.Health(ctx)
	if err != nil {
		return nil, err
	}
	var v healthView
	if err := decode(doc, &v); err != nil {
		return nil, err
	}
	for _, i := range v.Issues {
		f := status.Finding{Code: i.Code, Severity: i.Severity, What: i.What, Why: i.Why, Mend: i.Recommendation}
		if i.Backend != nil {
			f.Subject = *i.Backend
		}
		if f.Severity == status.SeverityCritical {
			f.Severity = status.SeverityError
		}
		s.Issues = append(s.Issues, f)
		for n := range s.Blocked {
			if f.Code == "backend-blocked" && s.Blocked[n].Name == f.Subject {
				s.Blocked[n].Blocked = f.Why
			}
		}
	}
	return s, nil
}

// whyNot says why no service answered.
func (a *app) whyNot(ctx context.Context, err error) string {
	why := err.Error()
	if errors.Is(err, client.ErrNotRunning) {
		why = strings.TrimPrefix(why, client.ErrNotRunning.Error()+": ")
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	if last := a.unit().state(ctx).lastEnd(); last != "" {
		why += "; " + last
	}
	return why
}

// showDiagnosis prints problems first.
func (a *app) showDiagnosis(d status.Diagnosis) error {
	if a.json {
		doc, err := status.DoctorDocument(d)
		if err != nil {
			return err
		}
		if err := a.printJSON(doc); err != nil {
			return err
		}
	} else {
		a.showFindings(d.Findings)
		if d.Healthy {
			a.say(a.style.good("Nothing is wrong") + fmt.Sprintf(" (%d kinds of trouble were looked for).", d.Checks))
		}
	}
	if !d.Healthy {
		return outcome(ExitUnhealthy)
	}
	return nil
}

// mostOfAKind is how many findings of the same code a text shows: one cause can have hundreds.
const mostOfAKind = 10

func (a *app) showFindings(all []status.Finding) {
	count := map[string]int{}
	for i, f := range all {
		count[f.Code]++
		if count[f.Code] <= mostOfAKind {
			a.showFinding(f)
		}
		if more := count[f.Code] - mostOfAKind; more > 0 && (i+1 == len(all) || all[i+1].Code != f.Code) {
			a.line(fmt.Sprintf("… and %d more [%s]: %s doctor --json", more, f.Code, a.name), "  ")
		}
	}
}

func (a *app) showFinding(f status.Finding) {
	paint := a.style.warn
	switch f.Severity {
	case status.SeverityError:
		paint = a.style.bad
	case status.SeverityInfo:
		paint = a.style.bold
	}
	a.tell(paint(f.Severity+":")+" ", "  ", fmt.Sprintf("%s [%s]", visible(f.What), f.Code))
	if f.Why != "" {
		a.tell("  why: ", "       ", visible(f.Why))
	}
	a.tell("  do:  ", "       ", visible(f.Mend))
}

// dropIn prints the sandbox for the unit, or puts it in place.
func (a *app) dropIn(ctx context.Context, o doctor.Options, install bool) error {
	if o.System {
		return usagef("the system unit has the whole sandbox already; name further folders with: systemctl edit %s", unitName)
	}
	text, err := doctor.DropIn(ctx, o)
	if err != nil {
		return err
	}
	if !install {
		if a.json {
			return a.printMade(status.DropInDocument(text, "", ""))
		}
		_, err := fmt.Fprint(a.env.Stdout, text)
		return err
	}
	const next = "systemctl --user restart " + unitName
	file, err := doctor.InstallDropIn(ctx, o, text)
	if err != nil {
		mend := "print it, and put it in place yourself: " + a.name + " doctor --drop-in"
		if file != "" {
			mend = "systemctl --user daemon-reload && " + next
		}
		return &fault{code: ExitFailed, err: err, next: mend}
	}
	if a.json {
		return a.printMade(status.DropInDocument("", file, next))
	}
	a.say("The sandbox is in place: " + file)
	a.say("Next: " + next)
	return nil
}
