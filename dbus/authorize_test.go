package dbus

import (
	"encoding/xml"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every method that changes something has a polkit action with words for people, and no action is for nothing.
func TestEveryChangingMethodHasAPolkitAction(t *testing.T) {
	data, err := os.ReadFile("../packaging/polkit/org.ipfskit.intelligent1.policy")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Actions []struct {
			ID          string `xml:"id,attr"`
			Description string `xml:"description"`
			Message     string `xml:"message"`
			Any         string `xml:"defaults>allow_any"`
			Inactive    string `xml:"defaults>allow_inactive"`
			Active      string `xml:"defaults>allow_active"`
			Annotate    []struct {
				Key   string `xml:"key,attr"`
				Value string `xml:",chardata"`
			} `xml:"annotate"`
		} `xml:"action"`
	}
	if err := xml.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, a := range policy.Actions {
		verb, ok := strings.CutPrefix(a.ID, ActionPrefix)
		if !ok || !regexp.MustCompile(`^[a-z][a-z0-9.-]*$`).MatchString(a.ID) || known[verb] {
			t.Errorf("action id %q", a.ID)
		}
		known[verb] = true
		if a.Description == "" || !strings.HasPrefix(a.Message, "Authentication is required to ") {
			t.Errorf("%s says %q, %q", a.ID, a.Description, a.Message)
		}
		if a.Any != "auth_admin" || a.Inactive != "auth_admin" || a.Active != "auth_admin_keep" {
			t.Errorf("%s is granted by %q, %q, %q", a.ID, a.Any, a.Inactive, a.Active)
		}
		// Without it polkit answers root alone about others.
		if len(a.Annotate) != 1 || a.Annotate[0].Key != "org.freedesktop.policykit.owner" || a.Annotate[0].Value != "unix-user:ipfs-kit" {
			t.Errorf("%s has the annotations %v", a.ID, a.Annotate)
		}
	}
	used := map[string]bool{}
	for name, f := range functions {
		if f.action != "" {
			used[f.action] = true
			if !known[f.action] {
				t.Errorf("%s needs the action %q, which is in no policy", name, f.action)
			}
		}
	}
	for verb := range known {
		if !used[verb] {
			t.Errorf("no method needs the action %q", verb)
		}
	}
	// The methods that a foreign user may call: all others ask.
	reading := regexp.MustCompile(`\.(Get[A-Za-z]*|List[A-Za-z]*|Explain|Where|PlanSync|History|Introspect|Ping)$`)
	for name, f := range functions {
		if (f.action == "") != reading.MatchString(name) {
			t.Errorf("%s has the action %q", name, f.action)
		}
	}
}
