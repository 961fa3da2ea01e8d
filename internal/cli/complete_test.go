package cli

import (
	"bytes"
	"testing"
)

// A key pressed in a shell never starts the Python program.
func TestTheWordsBeforeOursAreCompleted(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", ""}, "daemon\n:0\n"},
		{[]string{"__complete", "da"}, "daemon\n:0\n"},
		{[]string{"__completeNoDesc", "daemon", "int"}, "intelligent\n:0\n"},
		{[]string{"__complete", "daemon", "start"}, ":0\n"},
		{[]string{"__complete", "bucket", ""}, ":0\n"},
		{[]string{"__complete"}, ":0\n"},
		{[]string{"__completeNoDesc", "daemon", "intelligent", "insi"}, "insights\n:4\n"},
	} {
		var out bytes.Buffer
		env := Env{Stdout: &out, Stderr: &bytes.Buffer{}, Environ: []string{"IPFS_KIT_LEGACY=/bin/false"}}
		if code := Main(c.args, env); code != ExitDone || out.String() != c.want {
			t.Errorf("%q: %d, %q", c.args, code, out.String())
		}
	}
}
