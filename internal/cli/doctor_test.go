package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/status"
)

func TestManyFindingsOfOneKindAreCounted(t *testing.T) {
	var out bytes.Buffer
	a := &app{env: Env{Stdout: &out}, name: "prog"}
	var all []status.Finding
	for i := range 25 {
		all = append(all, status.Finding{Code: "path-missing", Severity: status.SeverityError, Subject: fmt.Sprint(i), What: "w", Why: "\x1b[31my", Mend: "m"})
	}
	all = append(all, status.Finding{Code: "no-registry", Severity: status.SeverityInfo, What: "w", Why: "y", Mend: "m"})
	d := status.Diagnose(3, append(all, all[3]))
	if len(d.Findings) != 26 || d.Healthy || d.Findings[25].Code != "no-registry" {
		t.Errorf("%+v", d)
	}
	if err := a.showDiagnosis(d); err == nil {
		t.Error("exit status 0 with errors")
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a name steers the terminal")
	}
	if n := strings.Count(out.String(), "[path-missing]"); n != mostOfAKind+1 || !strings.Contains(out.String(), "… and 15 more [path-missing]: prog doctor --json\n") {
		t.Errorf("%d of them:\n%s", n, out.String())
	}
}
