package human

import "testing"

func TestWordsAreWrittenSoThatTheyCanBeCopiedIntoACommand(t *testing.T) {
	for word, want := range map[string]string{"nas": "nas", "/mnt/a b": "'/mnt/a b'", "dätenübung": "dätenübung", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'", "-dash": "-dash", "~": "'~'", "a\nb": "'a\nb'"} {
		if got := Shell(word); got != want {
			t.Errorf("%q becomes %s, want %s", word, got, want)
		}
	}
	for word, want := range map[string]string{"nas": "nas", "-dash": "-- -dash", "--a b": "-- '--a b'"} {
		if got := Argument(word); got != want {
			t.Errorf("%q becomes %s, want %s", word, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1048706: "1.0 MiB", 3 << 40: "3.0 TiB", 1<<64 - 1: "16.0 EiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 files", 1: "1 file", 2: "2 files"} {
		if got := Count(n, "file", "files"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
