package home

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JSON object that keeps the order of its keys and the texts of its
// numbers, so that what this program doesn't know is written back as it was.
type object struct {
	keys []string
	vals map[string]any
}

func newObject() *object { return &object{vals: map[string]any{}} }

func (o *object) get(key string) any { return o.vals[key] }

func (o *object) set(key string, v any) {
	if _, ok := o.vals[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.vals[key] = v
}

// clone gives an object with keys of its own; what they hold is shared. Of nil it is nil.
func (o *object) clone() *object {
	if o == nil {
		return nil
	}
	return &object{keys: slices.Clone(o.keys), vals: maps.Clone(o.vals)}
}

// maxNesting bounds the depth of a JSON document.
const maxNesting = 64

// parseObject reads a document that is one JSON object, and nothing after it.
func parseObject(data []byte) (*object, error) {
	data = standIn(data)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := parseValue(dec, 0)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		line := 1 + bytes.Count(data[:min(dec.InputOffset(), int64(len(data)))], []byte("\n"))
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document")
	}
	o, ok := v.(*object)
	if !ok {
		return nil, errors.New("the document is not an object")
	}
	return o, nil
}

// Python writes three numbers that JSON has not, and reads them. These stand for them: nobody writes such numbers.
var (
	standIns = strings.NewReplacer("NaN", "2e900001", "Infinity", "1e900001")
	pythons  = strings.NewReplacer("2e900001", "NaN", "1e900001", "Infinity")
)

// standIn replaces Python's own numbers, outside of texts.
func standIn(data []byte) []byte {
	if !bytes.Contains(data, []byte("NaN")) && !bytes.Contains(data, []byte("Infinity")) {
		return data
	}
	var out bytes.Buffer
	for len(data) > 0 {
		n := bytes.IndexByte(data, '"')
		if n < 0 {
			n = len(data)
		}
		out.WriteString(standIns.Replace(string(data[:n])))
		end := n + textEnd(data[n:])
		out.Write(data[n:end])
		data = data[end:]
	}
	return out.Bytes()
}

// JSON reads a document as Python writes it: its numbers as they stand, and those that JSON has not
// as the texts NaN, Infinity and -Infinity.
func JSON(data []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(standIn(data)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the end of the document")
	}
	return namedNumbers(v), nil
}

// namedNumbers has texts where others stand in for Python's own numbers.
func namedNumbers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			x[k] = namedNumbers(e)
		}
	case []any:
		for i, e := range x {
			x[i] = namedNumbers(e)
		}
	case json.Number:
		if s := pythons.Replace(x.String()); s != x.String() {
			return s
		}
	}
	return v
}

// textEnd is where a text ends that begins with a quotation mark.
func textEnd(data []byte) int {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

func parseValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		return parseMembers(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return t, nil
}

func parseMembers(dec *json.Decoder, depth int) (any, error) {
	o := newObject()
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("a key that is no text: %v", k)
		}
		v, err := parseValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		o.set(key, v)
	}
	_, err := dec.Token()
	return o, err
}

// python writes a value as json.dump(…, indent=2) does, without a newline at the end.
func python(v any) []byte {
	var b bytes.Buffer
	writePython(&b, v, "\n")
	return b.Bytes()
}

func writePython(b *bytes.Buffer, v any, indent string) {
	switch x := v.(type) {
	case *object:
		if len(x.keys) == 0 {
			b.WriteString("{}")
			return
		}
		b.WriteByte('{')
		for i, k := range x.keys {
			comma(b, i)
			b.WriteString(indent + "  ")
			pythonString(b, k)
			b.WriteString(": ")
			writePython(b, x.vals[k], indent+"  ")
		}
		b.WriteString(indent + "}")
	case []any:
		if len(x) == 0 {
			b.WriteString("[]")
			return
		}
		b.WriteByte('[')
		for i, e := range x {
			comma(b, i)
			b.WriteString(indent + "  ")
			writePython(b, e, indent+"  ")
		}
		b.WriteString(indent + "]")
	case string:
		pythonString(b, x)
	case nil:
		b.WriteString("null")
	case json.Number:
		b.WriteString(pythons.Replace(x.String()))
	default: // bool
		fmt.Fprint(b, x)
	}
}

func comma(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

var pythonEscapes = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// pythonString escapes everything beyond ASCII, as json.dump does by default.
func pythonString(b *bytes.Buffer, s string) {
	b.WriteByte('"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r < 0x20 || r == '"' || r == '\\':
			if e := pythonEscapes.Replace(s[:n]); e != s[:n] {
				b.WriteString(e)
			} else {
				fmt.Fprintf(b, `\u%04x`, r)
			}
		case r < 0x7f:
			b.WriteByte(byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
		s = s[n:]
	}
	b.WriteByte('"')
}
