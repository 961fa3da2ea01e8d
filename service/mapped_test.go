package service

import (
	"reflect"
	"strings"
	"testing"
)

func TestOnlyReadOnlyMappingsThatAreAsTheFileAreLetGo(t *testing.T) {
	const smaps = `00400000-00f80000 r-xp 00000000 fe:00 99 /usr/bin/prog
Size:              11776 kB
Anonymous:             0 kB
00f80000-01c31000 r--p 00b80000 fe:00 99 /usr/bin/prog
Anonymous:            12 kB
01c31000-01c90000 rw-p 01831000 fe:00 99 /usr/bin/prog
Anonymous:             0 kB
02000000-02001000 r--p 00000000 fe:00 99 /usr/lib/other
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          4096 kB
`
	if got := cleanMappings(strings.NewReader(smaps), "/usr/bin/prog"); !reflect.DeepEqual(got, []mapping{{0x400000, 0xf80000}}) {
		t.Errorf("%x", got)
	}
	if err := unmapProgram(); err != nil { // and this program goes on
		t.Error(err)
	}
}
