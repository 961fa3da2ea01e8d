package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sources parses the files of a package, without its tests, in the order of their names.
func sources(dir string) ([]*ast.File, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var out []*ast.File
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed)
	}
	return out, nil
}

// finding is one thing that doctor can say.
type finding struct{ severity, what string }

// doctorPage lists the codes that internal/doctor gives to add, and those of the causes of its endpoints.
func doctorPage(root string) (string, error) {
	files, err := sources(filepath.Join(root, "internal/doctor"))
	if err != nil {
		return "", err
	}
	found := map[string][]finding{}
	note := func(code string, f finding) {
		if code != "" && !slices.Contains(found[code], f) {
			found[code] = append(found[code], f)
		}
	}
	for _, file := range files {
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "add" && len(n.Args) == 6 {
						note(literal(n.Args[0]), finding{severity(n.Args[1]), words(n.Args[3], fn)})
					}
				case *ast.CompositeLit:
					if id, ok := n.Type.(*ast.Ident); ok && id.Name == "cause" && len(n.Elts) == 3 {
						note(literal(n.Elts[0]), finding{"error", "a backend can't be reached: " + words(n.Elts[1], fn)})
					}
				}
				return true
			})
		}
	}
	var sb strings.Builder
	sb.WriteString(generated + "# What doctor finds\n\nCodes are stable. `…` stands for names and figures. `info` does not count as wrong: the exit status stays 0.\n" +
		"What a running service says of itself (`health`) has codes of its own, and is shown as well.\n\n| code | severity | what |\n| --- | --- | --- |\n")
	for _, code := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintf(&sb, "| `%s` | %s | %s |\n", code, severities(found[code]), cell(whats(found[code])))
	}
	return sb.String(), nil
}

// severities of what one code says, each once.
func severities(all []finding) string {
	var out []string
	for _, f := range all {
		if !slices.Contains(out, f.severity) {
			out = append(out, f.severity)
		}
	}
	return strings.Join(out, " or ")
}

// whats are the texts of one code, each once.
func whats(all []finding) string {
	var out []string
	for _, f := range all {
		if !slices.Contains(out, f.what) {
			out = append(out, f.what)
		}
	}
	return strings.Join(out, "; or: ")
}

// severity is the word of a constant, or both where the code chooses.
func severity(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if word, ok := strings.CutPrefix(sel.Sel.Name, "Severity"); ok {
			return strings.ToLower(word)
		}
	}
	return "warning or error"
}

func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if s, err := strconv.Unquote(lit.Value); err == nil {
			return s
		}
	}
	return ""
}

var verbs = regexp.MustCompile(`%[+#.0-9]*[a-z]`)

// words is the text of an expression, with … for what is only known when it runs.
func words(e ast.Expr, in *ast.FuncDecl) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		return literal(e)
	case *ast.BinaryExpr:
		return words(e.X, in) + words(e.Y, in)
	case *ast.CallExpr:
		if len(e.Args) > 0 && literal(e.Args[0]) != "" {
			return formatted(literal(e.Args[0]), e.Args[1:], in)
		}
		if len(e.Args) == 3 && literal(e.Args[2]) != "" { // human.Count
			return "… " + literal(e.Args[2])
		}
	case *ast.Ident:
		if value := assigned(e.Name, in); value != nil {
			return words(value, in)
		}
	}
	return "…"
}

// formatted is a format with the texts of its arguments.
func formatted(format string, args []ast.Expr, in *ast.FuncDecl) string {
	n := -1
	return verbs.ReplaceAllStringFunc(format, func(string) string {
		if n++; n < len(args) {
			if _, call := args[n].(*ast.CallExpr); call {
				return words(args[n], in)
			}
		}
		return "…"
	})
}

// assigned is what a name is set to where it is declared in a function.
func assigned(name string, in *ast.FuncDecl) (value ast.Expr) {
	ast.Inspect(in, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && value == nil && a.Tok == token.DEFINE && len(a.Lhs) == 1 && len(a.Rhs) == 1 {
			if id, ok := a.Lhs[0].(*ast.Ident); ok && id.Name == name {
				value = a.Rhs[0]
			}
		}
		return value == nil
	})
	return value
}

// journalPage lists the fields and message ids of internal/logging, with the words behind them.
func journalPage(root string) (string, error) {
	files, err := sources(filepath.Join(root, "internal/logging"))
	if err != nil {
		return "", err
	}
	var fields, ids strings.Builder
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 || v.Comment == nil {
				return true
			}
			row := fmt.Sprintf("| `%s` | %s |\n", literal(v.Values[0]), cell(v.Comment.Text()))
			switch {
			case strings.HasPrefix(v.Names[0].Name, "Field"):
				fields.WriteString(row)
			case strings.HasPrefix(v.Names[0].Name, "ID"):
				ids.WriteString(row)
			}
			return true
		})
	}
	return generated + "# The journal\n\nEntries have these fields beside systemd's own; `journalctl FIELD=VALUE` chooses by them.\n\n" +
		"| field | holds |\n| --- | --- |\n" + fields.String() + "\nA kind of event has one `MESSAGE_ID`, which stays the same whatever its text says:\n\n" +
		"| `MESSAGE_ID` | event |\n| --- | --- |\n" + ids.String(), nil
}

// errorTable lists the errors of the bus, with the words behind them in internal/status.
func errorTable(root string) (string, error) {
	files, err := sources(filepath.Join(root, "internal/status"))
	if err != nil {
		return "", err
	}
	var rows strings.Builder
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 || v.Comment == nil {
				return true
			}
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Code" {
				fmt.Fprintf(&rows, "| `%s` | %s |\n", literal(v.Values[0]), cell(v.Comment.Text()))
			}
			return true
		})
	}
	return "## Errors\n\nTheir names begin with `org.ipfskit.Intelligent1.Error.`; the message says what is wrong, with the value that was, and what to do.\n\n" +
		"| error | meaning |\n| --- | --- |\n" + rows.String(), nil
}
