package status

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

func TestNamesOfAnyKindAreWrittenIntoTheStatus(t *testing.T) {
	all := []string{"disk-1", `a"quoted`, `back\slash`, "größe", "a\nline", "<&>", "", "\x7f", `"dirty_backends": []`}
	f := Facts{Dirty: all, Filesystem: all[:1], LineCount: len(all)}
	for _, name := range all {
		line, err := LineOf(Backend{Name: name, Type: "filesystem"})
		if err != nil {
			t.Fatal(err)
		}
		f.Lines = append(f.Lines, line)
	}
	doc, err := StatusDocument(f, true)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Stats   map[string]any            `json:"metadata_driven_stats"`
		Details map[string]map[string]any `json:"backend_status_details"`
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	var dirty []string
	for _, v := range got.Stats["dirty_backends"].([]any) {
		dirty = append(dirty, v.(string))
	}
	if !slices.Equal(dirty, all) {
		t.Errorf("dirty_backends are %q, want %q", dirty, all)
	}
	for _, name := range all {
		if got.Details[name]["type"] != "filesystem" {
			t.Errorf("%q is told as %v", name, got.Details[name])
		}
	}
	for _, part := range []string{"\n    \"filesystem_backends\": [\n      \"disk-1\"\n    ],\n", "\n    \"blocked_backends\": [],\n", "\n  \"backend_status_details\": {\n    \"disk-1\": {"} {
		if !bytes.Contains(doc, []byte(part)) {
			t.Errorf("not laid out as an encoder that indents does, %q is missing:\n%s", part, doc)
		}
	}
}
