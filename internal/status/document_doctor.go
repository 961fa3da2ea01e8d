package status

import (
	"cmp"
	"slices"
	"strings"
)

// Finding is one thing that doctor found.
type Finding struct {
	// Stable word for the kind of trouble; programs may know it.
	Code string `json:"code"`
	// error (something does not work), warning (it will not, or not well) or info (worth knowing).
	Severity string `json:"severity"`
	// A backend or a file; empty for the service or the machine.
	Subject string `json:"subject"`
	// What was found, in one line.
	What string `json:"what"`
	// Why it is trouble, in words.
	Why string `json:"why"`
	// A command, or what to change in which file.
	Mend string `json:"mend"`
}

// Diagnosis is what `doctor` says.
type Diagnosis struct {
	// True where no finding is worse than info.
	Healthy bool `json:"healthy"`
	// How many kinds of trouble were looked for.
	Checks int `json:"checks"`
	// What was found, the worst first; empty for nothing.
	Findings []Finding `json:"findings"`
}

// Diagnose puts findings in order: problems first, among them those of the home, which others come
// from; what was found twice once. It is healthy where none is worse than info.
func Diagnose(checks int, all []Finding) Diagnosis {
	d := Diagnosis{Healthy: true, Checks: checks, Findings: []Finding{}}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			cmp.Compare(ofHome(b.Code), ofHome(a.Code)), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
	})
	seen := map[Finding]bool{}
	for _, f := range all {
		if !seen[f] {
			seen[f] = true
			d.Healthy = d.Healthy && f.Severity == SeverityInfo
			d.Findings = append(d.Findings, f)
		}
	}
	return d
}

// ofHome is 1 for a code that is about the home as a whole, 0 for others.
func ofHome(code string) int {
	if code == "no-home" || strings.HasPrefix(code, "home-") {
		return 1
	}
	return 0
}

// DoctorDocument is what `doctor --json` prints.
func DoctorDocument(d Diagnosis) ([]byte, error) { return marshal("doctor", d) }
