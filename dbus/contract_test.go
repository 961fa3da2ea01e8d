package dbus

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const docString = "org.gtk.GDBus.DocString"

// element is any element of an interface file.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Elements []element  `xml:",any"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// members lists an interface file, a line a member with its arguments and annotations; documentation is put aside.
func members(t *testing.T, path string) (lines map[string]string, documented map[string]bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var root element
	if err := xml.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	lines, documented = map[string]string{}, map[string]bool{}
	for _, m := range root.Elements[0].Elements {
		key := m.XMLName.Local + " " + m.attr("name")
		var sb strings.Builder
		fmt.Fprint(&sb, m.attr("type"), " ", m.attr("access"))
		for _, e := range m.Elements {
			if e.attr("name") == docString {
				documented[key] = e.attr("value") != ""
			}
			if strings.HasPrefix(e.attr("name"), "org.gtk.GDBus.") {
				continue // for people, and for generators of code
			}
			fmt.Fprintf(&sb, "; %s %s %s %s %s", e.XMLName.Local, e.attr("name"), e.attr("type"), e.attr("direction"), e.attr("value"))
		}
		lines[key] = sb.String()
	}
	return lines, documented
}

func TestTheInterfaceIsTheOneThatWasAgreedOnAndDocumentedWhole(t *testing.T) {
	files, err := filepath.Glob("testdata/contract/*.xml")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		agreed, _ := members(t, file)
		ours, documented := members(t, filepath.Base(file))
		for m, want := range agreed {
			if ours[m] != want {
				t.Errorf("%s: %s is %q, agreed on was %q", filepath.Base(file), m, ours[m], want)
			}
		}
		for m := range ours { // additions are allowed, and documented
			if !documented[m] {
				t.Errorf("%s: %s is not documented", filepath.Base(file), m)
			}
		}
	}
}

// What Introspect gives of our interfaces is the very text of their files.
func TestIntrospectionIsTheTextOfTheFiles(t *testing.T) {
	for name, file := range map[string][]byte{ifManager: managerXML, ifBackend: backendXML, ifTask: taskXML, ifWorker: workerXML} {
		text := fmt.Sprintf("  <interface name=\"%s\">%s</interface>\n", name, model()[name].Inner)
		if !bytes.Contains(file, []byte(text)) {
			t.Errorf("%s: its file does not hold\n%s", name, text)
		}
	}
}
