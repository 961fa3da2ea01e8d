package cli

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"ipfskit.org/intelligent/internal/config"
)

var errPast = errors.New("it must not be negative")

// patience is a flag that says how long: as the configuration has times, and never less than nothing.
type patience struct{ d *time.Duration }

func (p patience) Set(text string) error {
	d, err := config.Duration(text)
	if err == nil && d < 0 {
		err = errPast
	}
	if err != nil {
		return err
	}
	*p.d = d
	return nil
}

// String implements pflag.Value; 0 is not shown as a default.
func (p patience) String() string {
	if p.d == nil || *p.d == 0 {
		return "0"
	}
	return config.Spell(*p.d)
}

// Type implements pflag.Value.
func (patience) Type() string { return "duration" }

// patienceVar has a flag say how long; 0 unless it is given.
func patienceVar(f *pflag.FlagSet, d *time.Duration, name, usage string) {
	f.Var(patience{d}, name, usage)
}
