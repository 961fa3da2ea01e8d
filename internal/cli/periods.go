package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"ipfskit.org/intelligent/internal/human"
)

// showPeriods prints what insights say of today, the week and the month.
func (a *app) showPeriods(v insightsView) {
	head := "History:  "
	for _, p := range []struct {
		name string
		v    periodView
	}{{"today", v.History.Today}, {"7 days", v.History.Week}, {"30 days", v.History.Month}} {
		var parts []string
		if p.v.Success != nil {
			parts = append(parts, fmt.Sprintf("%s (%s good)", human.Count(p.v.Syncs, "sync", "syncs"), percent(*p.v.Success)))
		}
		if l := p.v.Latency; l.Mean != nil && l.P95 != nil {
			parts = append(parts, fmt.Sprintf("clean after %s (95%%: %s)", span(*l.Mean), span(*l.P95)))
		}
		if p.v.Availability != nil {
			parts = append(parts, "up "+percent(*p.v.Availability))
		}
		if len(parts) == 0 {
			parts = []string{"nothing is recorded"}
		}
		a.line(fmt.Sprintf("%s%-8s %s", head, p.name, strings.Join(parts, ", ")), countsIndent+"  ")
		head = "          "
		if s := p.v.Spared; s != nil && s.Checks.Fixed+s.Backups.Fixed > 0 {
			a.line(fmt.Sprintf("%s         spared %d of %d checks, %d of %d backups", head, s.Checks.Spared, s.Checks.Fixed, s.Backups.Spared, s.Backups.Fixed), countsIndent+"  ")
		}
	}
}

func span(seconds float64) string { return short(time.Duration(seconds * float64(time.Second))) }

// percent never rounds up to what is not true.
func percent(share float64) string {
	if share < 1 && share > 0.9999 {
		return "over 99.99%"
	}
	return strconv.FormatFloat(math.Round(share*10000)/100, 'f', -1, 64) + "%"
}
