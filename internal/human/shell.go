package human

import (
	"strings"
	"unicode"
)

// Shell writes a word, such as a path or a name, so that it can be copied into a command.
func Shell(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("/._-+,:@=", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Argument is Shell for the last words of a command: one that begins as a flag does is told from one.
func Argument(word string) string {
	if strings.HasPrefix(word, "-") {
		return "-- " + Shell(word)
	}
	return Shell(word)
}
