package top

import (
	"cmp"
	"slices"
	"time"
)

// groups are what top counts by, in the order in which it shows them.
var groups = []string{"action", "device", "username", "platform", "targetType"}

// Snapshot is what top shows at one time. A figure that no service tells is null.
type Snapshot struct {
	At              time.Time          `json:"at"`
	URL             string             `json:"url"`
	Tenant          string             `json:"tenant,omitempty"`
	Status          string             `json:"status"` // ready, waiting, draining, unreachable; unknown if /readyz is kept from us
	Checks          []check            `json:"checks"`
	Kafka           *bool              `json:"kafka"`
	ClickHouse      *bool              `json:"clickhouse"`
	InPerSecond     *float64           `json:"inPerSecond"`
	StoredPerSecond *float64           `json:"storedPerSecond"`
	ReceivedToday   *int64             `json:"receivedToday"`
	BehindRecords   *int64             `json:"behindRecords"`
	LagSeconds      *float64           `json:"lagSeconds"`
	Partitions      []Partition        `json:"partitions"`
	Refused         *float64           `json:"refusedPerSecond"`  // requests answered with 4xx
	Failed          *float64           `json:"failedPerSecond"`   // requests answered with 5xx
	Rejected        *float64           `json:"rejectedPerSecond"` // entries that were not accepted
	DeadLetters     *int64             `json:"deadLetters"`       // since the consumers started
	Window          string             `json:"window"`
	Top             map[string][]Count `json:"top"` // by what is counted
	Error           string             `json:"error,omitempty"`
}

// keep is how many samples the board remembers: the widest diagram has one column for each.
const keep = 240

// smooth is over which time a rate is measured. The service's own figures are up to a second old, so that a rate over one second would
// jump.
const smooth = 3 * time.Second

// board is what has been seen.
type board struct {
	url      string
	samples  []sample // the oldest first
	rankings map[string]ranking
	answered time.Time // when the service has last answered
	consumes bool      // a consumer has shown its metrics
}

func newBoard(url string) *board { return &board{url: url, rankings: map[string]ranking{}} }

func (b *board) add(s sample) {
	if s.health != nil {
		b.answered = s.at
	}
	if b.answered.IsZero() {
		b.answered = s.at
	}
	b.consumes = b.consumes || s.counters != nil && s.counters.consumes
	b.samples = append(b.samples, s)
	b.samples = b.samples[max(len(b.samples)-keep, 0):]
}

func (b *board) rank(r ranking) { b.rankings[r.group] = r }

// last is the newest sample.
func (b *board) last() sample {
	if len(b.samples) == 0 {
		return sample{}
	}
	return b.samples[len(b.samples)-1]
}

// A reading takes a count from a sample; false if the sample has none.
type reading func(s sample) (float64, bool)

func counter(of func(*counters) float64) reading {
	return func(s sample) (float64, bool) {
		if s.counters == nil {
			return 0, false
		}
		return of(s.counters), true
	}
}

func accepted(s sample) (float64, bool) {
	if s.counters == nil || !s.counters.collects {
		return 0, false
	}
	return s.counters.accepted, true
}

// stored is what the consumers count. Where their metrics were never seen, it is what the tenant received today, which erasures and
// midnight make smaller. The two are never mixed.
func (b *board) stored(s sample) (float64, bool) {
	switch {
	case s.counters != nil && s.counters.consumes:
		return s.counters.stored, true
	case !b.consumes && s.status != nil && s.status.ReceivedToday != nil:
		return float64(*s.status.ReceivedToday), true
	}
	return 0, false
}

// rate is by how much a count grows in a second, measured up to the sample i; nil if it is not known. A count that became smaller began
// anew.
func (b *board) rate(read reading, i int) *float64 {
	if i < 1 {
		return nil
	}
	now, ok := read(b.samples[i])
	if !ok {
		return nil
	}
	for j := i - 1; j >= 0; j-- {
		past, ok := read(b.samples[j])
		if !ok || past > now {
			return nil
		}
		took := b.samples[i].at.Sub(b.samples[j].at)
		if took >= smooth || j == 0 {
			rate := (now - past) / max(took.Seconds(), 0.001)
			return &rate
		}
	}
	return nil
}

// rates are those of all samples; 0 where one is not known.
func (b *board) rates(read reading) []float64 {
	all := make([]float64, len(b.samples))
	for i := range b.samples {
		if r := b.rate(read, i); r != nil {
			all[i] = *r
		}
	}
	return all
}

// snapshot is the newest state.
func (b *board) snapshot(window time.Duration) Snapshot {
	s, i := b.last(), len(b.samples)-1
	out := Snapshot{At: s.at.UTC(), URL: b.url, Status: "unreachable", Checks: []check{}, Partitions: []Partition{}, Window: windowName(window), Top: map[string][]Count{}}
	if err := cmp.Or(s.failed, s.uncounted); err != nil {
		out.Error = err.Error()
	}
	if s.health != nil {
		out.Status, out.Checks = s.health.Status, append(out.Checks, s.health.Checks...)
	}
	if s.status != nil {
		out.Tenant, out.Kafka, out.ClickHouse = s.status.Tenant, &s.status.Kafka, &s.status.ClickHouse
		out.BehindRecords, out.ReceivedToday = s.status.BehindRecords, s.status.ReceivedToday
	}
	out.InPerSecond, out.StoredPerSecond = b.rate(accepted, i), b.rate(b.stored, i)
	if c := s.counters; c != nil {
		out.Refused, out.Failed = b.rate(counter(func(c *counters) float64 { return c.refused }), i), b.rate(counter(func(c *counters) float64 { return c.failed }), i)
		if c.collects {
			out.Rejected = b.rate(counter(func(c *counters) float64 { return c.rejected }), i)
		}
		if c.consumes {
			dead, lag := int64(c.dead), c.lagSeconds
			out.DeadLetters, out.LagSeconds, out.Partitions = &dead, &lag, append(out.Partitions, c.partitions...)
		}
	}
	for _, group := range groups {
		if r, ok := b.rankings[group]; ok && r.err == nil && r.window == window {
			out.Top[group] = slices.Clone(r.counts)
		}
	}
	return out
}

func windowName(d time.Duration) string {
	if d == time.Hour {
		return "1h"
	}
	return "1m"
}
