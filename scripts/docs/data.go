package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// node is what an interface file says.
type node struct {
	Interfaces []struct {
		Name       string   `xml:"name,attr"`
		Methods    []member `xml:"method"`
		Signals    []member `xml:"signal"`
		Properties []member `xml:"property"`
		Notes      []note   `xml:"annotation"`
	} `xml:"interface"`
}

type member struct {
	Name   string `xml:"name,attr"`
	Type   string `xml:"type,attr"`
	Access string `xml:"access,attr"`
	Notes  []note `xml:"annotation"`
	Args   []struct {
		Name      string `xml:"name,attr"`
		Type      string `xml:"type,attr"`
		Direction string `xml:"direction,attr"`
	} `xml:"arg"`
}

type note struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

func doc(notes []note) string {
	for _, n := range notes {
		if n.Name == "org.gtk.GDBus.DocString" {
			return cell(n.Value)
		}
	}
	return ""
}

// args writes what goes in, or comes out, as NAME TYPE.
func (m member) args(direction string) string {
	var out []string
	for _, a := range m.Args {
		if a.Direction == direction {
			out = append(out, strings.TrimSpace(a.Name+" `"+a.Type+"`"))
		}
	}
	return strings.Join(out, ", ")
}

func dbusPage(root string) (string, error) {
	var sb strings.Builder
	sb.WriteString(generated + "# The D-Bus interface\n\nName `org.ipfskit.Intelligent1`, root object `/org/ipfskit/Intelligent1`. " +
		"Times are µs since the epoch UTC, 0 for never.\n\n" +
		"| object | interfaces |\n| --- | --- |\n" +
		"| `/org/ipfskit/Intelligent1` | Manager, `org.freedesktop.DBus.ObjectManager` |\n" +
		"| `…/backends/NAME` | Backend; the name is escaped as systemd does it, and `GetBackend` gives the path |\n" +
		"| `…/tasks/ID` | Task, until five minutes after its end |\n" +
		"| `…/workers/NAME` | Worker |\n" +
		"| `/org/freedesktop/LogControl1` | `org.freedesktop.LogControl1`: LogLevel, LogTarget, SyslogIdentifier |\n\n")
	for _, name := range []string{"Manager", "Backend", "Task", "Worker"} {
		data, err := os.ReadFile(filepath.Join(root, "dbus", "org.ipfskit.Intelligent1."+name+".xml"))
		if err != nil {
			return "", err
		}
		var n node
		if err := xml.Unmarshal(data, &n); err != nil {
			return "", fmt.Errorf("dbus/org.ipfskit.Intelligent1.%s.xml: %w", name, err)
		}
		for _, i := range n.Interfaces {
			fmt.Fprintf(&sb, "## %s\n\n", i.Name)
			if text := doc(i.Notes); text != "" {
				sb.WriteString(text + "\n\n")
			}
			table(&sb, "method | in | out", i.Methods, func(m member) string { return m.args("in") + " | " + m.args("out") })
			table(&sb, "signal | values", i.Signals, func(m member) string { return m.args("") })
			table(&sb, "property | type | access", i.Properties, func(m member) string { return "`" + m.Type + "` | " + m.Access })
		}
	}
	errs, err := errorTable(root)
	return sb.String() + errs, err
}

func table(sb *strings.Builder, head string, members []member, row func(member) string) {
	if len(members) == 0 {
		return
	}
	fmt.Fprintf(sb, "| %s | meaning |\n|%s\n", head, strings.Repeat(" --- |", strings.Count(head, "|")+2))
	for _, m := range members {
		fmt.Fprintf(sb, "| `%s` | %s | %s |\n", m.Name, row(m), doc(m.Notes))
	}
	sb.WriteString("\n")
}

// schema is what the project uses of JSON Schema.
type schema struct {
	Title                string             `json:"title"`
	Description          string             `json:"description"`
	Type                 any                `json:"type"`
	Enum                 []any              `json:"enum"`
	Const                any                `json:"const"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	Items                *schema            `json:"items"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	AnyOf                []*schema          `json:"anyOf"`
	OneOf                []*schema          `json:"oneOf"`
	Ref                  string             `json:"$ref"`
}

func schemasPage(root string) (string, error) {
	files, err := filepath.Glob(filepath.Join(root, "packaging/schemas/*.schema.json"))
	if err != nil {
		return "", err
	}
	var sb strings.Builder
	sb.WriteString(generated + "# Documents\n\nThe JSON that `--json` prints and the bus returns, key by key; the schemas are installed in " +
		"`PREFIX/share/ipfs-kit-intelligent/schemas`.\n`[]` is each of a list, `*` each key of a map. A key that is not always there says nothing where it is absent.\n\n")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		var s schema
		if err := json.Unmarshal(data, &s); err != nil {
			return "", fmt.Errorf("%s: %w", f, err)
		}
		fmt.Fprintf(&sb, "## %s\n\n%s\n\n| key | type | always there | meaning |\n| --- | --- | --- | --- |\n", strings.TrimSuffix(filepath.Base(f), ".schema.json"), cell(s.Description))
		s.rows(&sb, "")
		sb.WriteString("\n")
	}
	return sb.String(), nil
}

// rows writes a row a key, those of the parts after it.
func (s *schema) rows(sb *strings.Builder, prefix string) {
	for _, part := range slices.Concat(s.AnyOf, s.OneOf) {
		part.rows(sb, prefix)
	}
	if s.Items != nil {
		s.Items.rows(sb, prefix+"[]")
	}
	var each schema
	if json.Unmarshal(s.AdditionalProperties, &each) == nil {
		each.rows(sb, strings.TrimPrefix(prefix+".*", "."))
	}
	for _, key := range slices.Sorted(maps.Keys(s.Properties)) {
		p, always := s.Properties[key], "no"
		if slices.Contains(s.Required, key) {
			always = "yes"
		}
		path := strings.TrimPrefix(prefix+"."+key, ".")
		fmt.Fprintf(sb, "| `%s` | %s | %s | %s |\n", path, p.kind(), always, cell(p.Description))
		p.rows(sb, path)
	}
}

// kind is a type in words.
func (s *schema) kind() string {
	switch {
	case s.Const != nil:
		return fmt.Sprintf("`%v`", s.Const)
	case len(s.Enum) > 0:
		var words []string
		for _, e := range s.Enum {
			words = append(words, fmt.Sprintf("`%v`", e))
		}
		return strings.Join(words, ", ")
	case s.Items != nil:
		return "list of " + s.Items.kind()
	}
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		var words []string
		for _, e := range t {
			words = append(words, fmt.Sprint(e))
		}
		return strings.Join(words, " or ")
	}
	return "any"
}
