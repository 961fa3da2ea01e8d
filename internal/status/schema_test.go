package status

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// schemaDir holds the schemas that are installed.
const schemaDir = "../../packaging/schemas"

// documents are what the schemas describe, by the name of their file.
var documents = map[string]struct {
	of    any
	about string
}{
	"status":    {statusDoc{}, "What `status --json` prints and GetStatus returns."},
	"insights":  {insightsDoc{}, "What `insights --json` prints and GetInsights returns."},
	"health":    {healthDoc{}, "What `health --json` prints and GetHealth returns."},
	"explain":   {explainDoc{}, "What `explain --json` prints and Explain returns."},
	"where":     {whereDoc{}, "What `where --json` prints and Where returns."},
	"plan-sync": {planDoc{}, "What `sync --dry-run --json` prints and PlanSync returns."},
	"tasks":     {tasksDoc{}, "What `tasks --json` prints."},
	"task":      {taskDoc{}, "What `task show --json` prints."},
	"history-line": {[]any{endedTaskDoc{}, checkDoc{}, markDoc{}, healthChangeDoc{}, workerChangeDoc{}, sumDoc{}, historyErrorDoc{}},
		"A line of `history --json` and of History: a task that ended, a check, a mark that was cleared, a change of health, a worker that was replaced, a sum of many, or why it could not be read to its end."},
	"outcomes":     {outcomesDoc{}, "What commands with `--wait --json` print."},
	"backends":     {backendsDoc{}, "What `backends --json` prints."},
	"errors":       {errorsDoc{}, "What `errors --json` prints."},
	"doctor":       {Diagnosis{}, "What `doctor --json` prints."},
	"version":      {versionDoc{}, "What `version --json` prints."},
	"dismiss":      {dismissDoc{}, "What `dismiss --json` prints."},
	"config-check": {configCheckDoc{}, "What `config check --json` prints of a configuration that is right."},
	"config-show":  {map[string]Setting{}, "What `config show --json` prints: the settings by their full names."},
	"drop-in":      {dropInDoc{}, "What `doctor --drop-in --json` prints."},
	"error":        {failureDoc{}, "What any command with `--json` prints to stderr where it fails."},
	"hint":         {hintDoc{}, "What an old command (`ipfs-kit daemon VERB`) with `--json` prints to stderr where it does not fail."},
	"watch-line":   {Happening{}, "A line of `watch --json`: what happened, and when. The first one, and the first after the service came back, is the event state with the document of `status --detailed --json`."},
}

// The schemas are made from the structs: UPDATE_SCHEMAS=1 go test ./internal/status -run Schemas
func TestSchemasAreThoseOfTheDocuments(t *testing.T) {
	want := map[string][]byte{}
	for name, d := range documents {
		s := object{}
		if kinds, several := d.of.([]any); several {
			var list []any
			for _, k := range kinds {
				list = append(list, schemaOf(reflect.TypeOf(k)))
			}
			s["anyOf"] = list
		} else {
			s = schemaOf(reflect.TypeOf(d.of))
		}
		s["$schema"], s["$id"] = "https://json-schema.org/draft/2020-12/schema", "urn:ipfskit:intelligent1:"+name
		s["title"], s["description"] = name, d.about+" Keys are only added within version 1; a key that is not required says nothing where it is absent."
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		want[name+".schema.json"] = buf.Bytes()
	}
	if os.Getenv("UPDATE_SCHEMAS") == "1" {
		for file, data := range want {
			if err := os.WriteFile(filepath.Join(schemaDir, file), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(schemaDir, f.Name()))
		if err != nil || !bytes.Equal(got, want[f.Name()]) {
			t.Errorf("%s is not what the structs say (see above how it is made anew): %v", f.Name(), err)
		}
		delete(want, f.Name())
	}
	for file := range want {
		t.Errorf("%s is missing", file)
	}
}

type object = map[string]any

func schemaOf(typ reflect.Type) object {
	switch typ {
	case reflect.TypeFor[float]():
		return object{"type": "number"}
	case reflect.TypeFor[json.RawMessage](): // a whole document
		return object{"type": "object"}
	case reflect.TypeFor[lines]():
		return object{"type": "object", "additionalProperties": schemaOf(reflect.TypeFor[backendDetails]())}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		s := schemaOf(typ.Elem())
		s["type"] = []any{s["type"], "null"}
		return s
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(typ.Elem())}
	case reflect.Map:
		if typ.Elem().Kind() == reflect.Interface {
			return object{"type": "object"}
		}
		return object{"type": "object", "additionalProperties": schemaOf(typ.Elem())}
	case reflect.Interface: // anything
		return object{}
	case reflect.Struct:
		properties, required := object{}, []string{}
		fieldsOf(typ, false, properties, &required)
		return object{"type": "object", "properties": properties, "required": required}
	}
	panic("no document has a " + typ.String())
}

// fieldsOf adds those of a struct, and of what it embeds; what is embedded by pointer may be absent.
func fieldsOf(typ reflect.Type, optional bool, properties object, required *[]string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			t, pointer := f.Type, f.Type.Kind() == reflect.Pointer
			if pointer {
				t = t.Elem()
			}
			fieldsOf(t, pointer, properties, required)
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		t := f.Type
		if opts == "omitempty" && t.Kind() == reflect.Pointer {
			t = t.Elem() // it is absent rather than null
		}
		property := schemaOf(t)
		property["description"] = words[typ.Name()+"."+f.Name]
		properties[name] = property
		if opts != "omitempty" && !optional {
			*required = append(*required, name)
		}
	}
}

// words are what the comments of this package's structs say of each field, in one line, by STRUCT.FIELD: what keys mean
// is told there alone.
var words = func() map[string]string {
	names, err := filepath.Glob("*.go")
	if err != nil {
		panic(err)
	}
	out := map[string]string{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		for n := range ast.Preorder(file) {
			typ, ok := n.(*ast.TypeSpec)
			if !ok {
				continue
			}
			fields, ok := typ.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range fields.Fields.List {
				for _, name := range f.Names {
					out[typ.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
		}
	}
	return out
}()

func TestEachKeySaysWhatItMeans(t *testing.T) {
	for name, d := range documents {
		kinds, several := d.of.([]any)
		if !several {
			kinds = []any{d.of}
		}
		for _, k := range kinds {
			eachKey(name, schemaOf(reflect.TypeOf(k)), func(path string, s object) {
				if text, _ := s["description"].(string); len(text) < 10 || !strings.HasSuffix(text, ".") {
					t.Errorf("%s has no meaning: a comment at the field of the struct becomes it; got %q", path, text)
				}
			})
		}
	}
}

// eachKey goes through the keys of a schema and of what they hold.
func eachKey(path string, s object, see func(path string, s object)) {
	for _, part := range []string{"items", "additionalProperties"} {
		if inner, ok := s[part].(object); ok {
			eachKey(path+"[]", inner, see)
		}
	}
	properties, _ := s["properties"].(object)
	for key, of := range properties {
		see(path+"."+key, of.(object))
		eachKey(path+"."+key, of.(object), see)
	}
}
