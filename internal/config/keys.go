package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"ipfskit.org/intelligent/internal/plan"
)

// key is one key of the configuration: its full name, and where its value goes
// (*time.Duration, *int, *bool, *string or *[]string).
type key struct {
	name string
	to   func(*Config) any
	// least and most bound numbers and durations.
	least, most int64
	// oneOf lists the words that are allowed.
	oneOf []string
	doc   string
}

func seconds(n int64) int64 { return n * int64(time.Second) }

const year = int64(366 * 24 * time.Hour)

// keys are all there are, in the order of the documentation.
var keys = append([]key{
	{"intervals.metadata", func(c *Config) any { return &c.Metadata }, seconds(1), year, nil, "how often registries and configurations are read again though nothing was heard"},
	{"intervals.dirty", func(c *Config) any { return &c.Dirty }, seconds(1), year, nil, "how often all dirty marks are looked at though nothing was heard"},
	{"intervals.health", func(c *Config) any { return &c.HealthTick }, seconds(1), year, nil, "how often it is looked whose health check is due"},
	{"settle", func(c *Config) any { return &c.Settle }, 0, seconds(600), nil, "how long a file that can't be parsed may be in the middle of being written"},
	{"aging", func(c *Config) any { return &c.Aging }, seconds(1), year, nil, "the wait that raises a task by one priority"},
	{"stall", func(c *Config) any { return &c.Stall }, seconds(1), year, nil, "the time without progress after which a transfer is given up"},
	{"limits.tasks", func(c *Config) any { return &c.Tasks }, 1, 64, nil, "tasks at once"},
	{"limits.bus_backends", func(c *Config) any { return &c.BusBackends }, 0, 100_000, nil, "backends that are objects of the bus from the start"},
	{"limits.watches", func(c *Config) any { return &c.Watches }, 0, 1 << 30, nil, "folders that are watched at most; 0: what the kernel allows"},
	{"limits.remove_percent", func(c *Config) any { return &c.RemoveShare }, 0, 100, nil, "the share of a backend that a sync may remove without a person's word, which is sync --reconcile --backend NAME; ten pins may always go"},
	{"retry.min", func(c *Config) any { return &c.Plan.RetryMin }, int64(time.Millisecond), year, nil, "the wait after the first failure"},
	{"retry.max", func(c *Config) any { return &c.Plan.RetryMax }, seconds(1), year, nil, "the longest wait after failures"},
	{"retry.blocked", func(c *Config) any { return &c.Plan.BlockedRetry }, seconds(1), year, nil, "when content that nobody had is looked for again"},
	{"schedule.stale", func(c *Config) any { return &c.Plan.StaleAfter }, seconds(1), year, nil, "how old the last check of a backend may be that a bucket names"},
	{"schedule.reconcile", func(c *Config) any { return &c.Plan.Reconcile }, seconds(60), year, nil, "how often a backend is compared whole"},
	{"schedule.verify", func(c *Config) any { return &c.Plan.Verify }, seconds(60), year, nil, "how often stored content is read back"},
	{"health.unhealthy_after", func(c *Config) any { return &c.Health.UnhealthyAfter }, 1, 1000, nil, "failures in a row that make a backend unhealthy"},
	{"health.healthy_after", func(c *Config) any { return &c.Health.HealthyAfter }, 1, 1000, nil, "successes in a row that make it healthy again; after a wrong configuration or credential one is enough"},
	{"health.probe_min", func(c *Config) any { return &c.Health.ProbeMin }, seconds(1), year, nil, "the first interval of health checks; it doubles while all is well"},
	{"health.probe_max", func(c *Config) any { return &c.Health.ProbeMax }, seconds(1), year, nil, "the longest interval of health checks"},
	{"backup.enabled", func(c *Config) any { return &c.Backup.Enabled }, 0, 0, nil, "whether backups are made"},
	{"backup.targets", func(c *Config) any { return &c.Backup.Targets }, 0, 100, nil, "filesystem backends that are chosen where none says backup: true"},
	{"backup.buckets", func(c *Config) any { return &c.Plan.BackupBuckets }, seconds(1), year, nil, "the least age of the last backup of bucket indices"},
	{"backup.metadata", func(c *Config) any { return &c.Plan.BackupMetadata }, seconds(1), year, nil, "the least age of the last backup of metadata"},
	{"backup.keep.last", func(c *Config) any { return &c.Backup.KeepLast }, 1, 10_000, nil, "backups that are kept whatever their age"},
	{"backup.keep.daily", func(c *Config) any { return &c.Backup.KeepDaily }, 0, 10_000, nil, "days of which the last backup is kept"},
	{"backup.keep.weekly", func(c *Config) any { return &c.Backup.KeepWeekly }, 0, 10_000, nil, "weeks of which the last backup is kept"},
	{"backup.keep.monthly", func(c *Config) any { return &c.Backup.KeepMonthly }, 0, 10_000, nil, "months of which the last backup is kept"},
	{"history.days", func(c *Config) any { return &c.HistoryDays }, 1, 366, nil, "days with records that history is kept of; with very many backends, fewer (docs/decisions/0008)"},
	{"sources", func(c *Config) any { return &c.Sources }, 0, 0, []string{SourceHome, SourceBackends}, "where content comes from, in order"},
	{"log.level", func(c *Config) any { return &c.LogLevel }, 0, 0, []string{"err", "warning", "info", "debug"}, "what is logged"},
	{"supervision.hang", func(c *Config) any { return &c.Hang }, seconds(1), year, nil, "how long a worker may make no progress"},
	{"supervision.grace", func(c *Config) any { return &c.Grace }, int64(time.Millisecond), seconds(60), nil, "how long a worker may take to end"},
	{"supervision.abandoned", func(c *Config) any { return &c.Abandoned }, 1, 100, nil, "workers that ignore their end before systemd must restart the service"},
}, priorityKeys()...)

func priorityKeys() []key {
	var out []key
	for cause := range plan.DefaultRules().Priority {
		out = append(out, key{"priority." + string(cause), func(c *Config) any { return c.priorities[cause] }, 1, 10, nil, plan.CauseTexts[cause] + "; 1 is the most urgent, 10 the least"})
	}
	slices.SortFunc(out, func(a, b key) int { return strings.Compare(a.name, b.name) })
	return out
}

// atStart are the keys that a reload does not change.
var atStart = []string{"settle", "aging", "limits.bus_backends", "limits.watches", "supervision.hang", "supervision.grace", "supervision.abandoned"}

// NextStart names the keys that differ between two configurations and count from the next start only.
func NextStart(was, is *Config) (names []string) {
	for _, k := range keys {
		if slices.Contains(atStart, k.name) && k.show(was) != k.show(is) {
			names = append(names, k.name)
		}
	}
	return names
}

// set reads one value.
func (k *key) set(c *Config, n *yaml.Node) error {
	switch to := k.to(c).(type) {
	case *time.Duration:
		d, err := duration(n.Value)
		if err != nil || n.Kind != yaml.ScalarNode || int64(d) < k.least || int64(d) > k.most {
			return k.wrong(n)
		}
		*to = d
	case *int:
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if err != nil || n.Kind != yaml.ScalarNode || v < k.least || v > k.most {
			return k.wrong(n)
		}
		*to = int(v)
	case *bool:
		if n.Tag != "!!bool" || n.Decode(to) != nil {
			return k.wrong(n)
		}
	case *string:
		if n.Kind != yaml.ScalarNode || !slices.Contains(k.oneOf, n.Value) {
			return k.wrong(n)
		}
		*to = n.Value
	case *[]string:
		var list []string
		if n.Kind != yaml.SequenceNode || n.Decode(&list) != nil || len(list) == 0 || slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(k.oneOf, s) }) {
			return k.wrong(n)
		}
		*to = list
	}
	return nil
}

// allowed says what the key may be.
func (k *key) allowed() string {
	switch k.to(Default()).(type) {
	case *time.Duration:
		return fmt.Sprintf("a time from %s to %s, such as 90s, 15m, 6h, 7d", Spell(time.Duration(k.least)), Spell(time.Duration(k.most)))
	case *int:
		return fmt.Sprintf("a whole number from %d to %d", k.least, k.most)
	case *bool:
		return "true or false"
	case *string:
		return "one of " + strings.Join(k.oneOf, ", ")
	}
	return "a list of one or more of " + strings.Join(k.oneOf, ", ")
}

func (k *key) wrong(n *yaml.Node) error {
	value := n.Value
	if n.Kind != yaml.ScalarNode {
		value = "a list or group"
	}
	return fmt.Errorf("key %s: %q is not allowed; it must be %s", k.name, value, k.allowed())
}

// duration takes what Duration does, and plain seconds.
func duration(s string) (time.Duration, error) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return time.Duration(n * float64(time.Second)), nil
	}
	return Duration(s)
}

// mostDays is the longest time that can be written: a few lifetimes.
const mostDays = 1e5

var errDuration = errors.New("it must be a time such as 30s, 15m, 6h or 7d")

// Duration reads a time as people write it: 90s, 1h30m, 7d, 1d12h. It may be negative.
func Duration(s string) (time.Duration, error) {
	days, rest, some := strings.Cut(s, "d")
	if !some {
		days, rest = "0", s
	} else if rest == "" {
		rest = "0s"
	}
	n, err := strconv.ParseFloat(days, 64)
	d, err2 := time.ParseDuration(rest)
	if err != nil || err2 != nil || !(math.Abs(n)+d.Abs().Hours()/24 < mostDays) || some && strings.ContainsAny(rest, "+-") { // n may be no number
		return 0, errDuration
	}
	return time.Duration(n*24*float64(time.Hour)) + d, nil
}

// Spell writes a time as people do: 168h, not 168h0m0s.
func Spell(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// Doc describes one key.
type Doc struct {
	// Key is its full name, with dots.
	Key string
	// Default is its value where no file says otherwise, as a file has it.
	Default string
	// Allowed says in words what it may be.
	Allowed string
	// Text says what it means.
	Text string
}

// Reference lists all keys with their defaults.
func Reference() []Doc {
	c := Default()
	var out []Doc
	for _, k := range keys {
		text := k.doc
		if slices.Contains(atStart, k.name) {
			text += "; it counts from the next start, a reload does not change it"
		}
		out = append(out, Doc{k.name, k.show(c), k.allowed(), text})
	}
	return out
}

func (k *key) show(c *Config) string {
	switch v := k.to(c).(type) {
	case *time.Duration:
		return Spell(*v)
	case *int:
		return strconv.Itoa(*v)
	case *bool:
		return strconv.FormatBool(*v)
	case *string:
		return *v
	case *[]string:
		return "[" + strings.Join(*v, ", ") + "]"
	}
	return ""
}

// Show writes the configuration that counts, a key a line, as a file may have
// it; what is not a default is followed by the file and line that say it.
func (c *Config) Show() string {
	var sb strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&sb, "%s: %s", k.name, k.show(c))
		if from := c.from[k.name]; from != "" {
			sb.WriteString("  # " + from)
		}
		sb.WriteString("\n")
	}
	return sb.String()
}

// Value is the value of a key (times as texts, such as 15m) and where it stands: file and line, or "default".
type Value struct {
	// Value is a number, a truth value, a text or a list of texts.
	Value any `json:"value"`
	// From is FILE:LINE, or "default".
	From string `json:"from"`
}

// Values are all keys with their values.
func (c *Config) Values() map[string]Value {
	out := make(map[string]Value, len(keys))
	for _, k := range keys {
		v := Value{k.to(c), "default"}
		if _, isTime := v.Value.(*time.Duration); isTime {
			v.Value = k.show(c)
		}
		if from := c.from[k.name]; from != "" {
			v.From = from
		}
		out[k.name] = v
	}
	return out
}
