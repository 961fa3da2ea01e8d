package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ipfskit.org/intelligent/internal/status"
)

func TestTextsBreakBetweenWordsAndDoNotSteerTheTerminal(t *testing.T) {
	text := wrap("why: "+strings.Repeat("word ", 40)+"\x1b[31mred\x07", "       ")
	for _, line := range strings.Split(text, "\n") {
		if len(line) > columns {
			t.Errorf("too long: %q", line)
		}
	}
	if strings.ContainsAny(text, "\x1b\x07") || !strings.Contains(text, "red") {
		t.Errorf("%q", text)
	}
	if long := strings.Repeat("x", 200); wrap("cp "+long, "  ") != "cp\n  "+long {
		t.Error("a word was cut that people copy")
	}
}

func TestManyFindingsOfOneKindAreCounted(t *testing.T) {
	var out bytes.Buffer
	a := &app{env: Env{Stdout: &out}, name: "prog"}
	var all []status.Finding
	for i := range 25 {
		all = append(all, status.Finding{Code: "path-missing", Severity: status.SeverityError, Subject: fmt.Sprint(i), What: "w", Why: "y", Mend: "m"})
	}
	all = append(all, status.Finding{Code: "no-registry", Severity: status.SeverityInfo, What: "w", Why: "y", Mend: "m"})
	d := status.Diagnose(3, append(all, all[3]))
	if len(d.Findings) != 26 || d.Healthy || d.Findings[25].Code != "no-registry" {
		t.Errorf("%+v", d)
	}
	if err := a.showDiagnosis(d); err == nil {
		t.Error("exit status 0 with errors")
	}
	if n := strings.Count(out.String(), "[path-missing]"); n != mostOfAKind+1 || !strings.Contains(out.String(), "… and 15 more [path-missing]: prog doctor --json\n") {
		t.Errorf("%d of them:\n%s", n, out.String())
	}
}
