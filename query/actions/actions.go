// Package actions assigns codes to action names, for a dialect that shows numbers. It promises: a name has the same code on every replica
// and after every restart, for as long as the topic of names exists.
package actions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/query/internal/requests"
	"github.com/activitylog/activitylog/query/stored"
	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// NoCode is the code of an action that has none because there are too many.
const NoCode = -1

// Bounds of action codes. Callers choose the names of actions, so there may be millions: beyond these bounds a name gets no code and takes
// no memory of the replicas. The order in the topic decides, so that all replicas agree on which names have one. The index of the most
// names takes some 20 MB.
const (
	maxActions       = 1 << 18
	maxTenantActions = 1 << 14 // names that one tenant was the first to show
	maxNameMemory    = 8 << 20 // bytes of names that are kept; others are fetched when somebody filters by their code
	maxAppend        = 256     // names in one batch: a broker takes 1 MB
)

// prepareEvery is the pause between two tries to read the topic at the start.
const prepareEvery = time.Second

// Codes gives each action name a code: the offset of the name's first record in a topic, plus the log's first code. The service that
// first has to show a name appends it and reads back, because another replica may have been faster. A code is not a secret: it says that
// some tenant uses the name, and the name is only used to filter the asking tenant's own entries. Codes may be used by many goroutines
// at once.
type Codes struct {
	topic    namesTopic
	source   Source
	waitMax  time.Duration
	requests *requests.Metrics
	turn     chan struct{} // holds a token while nobody reads or appends
	most     int           // names with a code
	each     int           // of them, by tenant
	keep     int           // bytes of names

	mu       sync.RWMutex // guards what follows; only the holder of turn writes
	codes    map[nameHash]int64
	names    map[int64]string
	bytes    int
	tenants  map[string]int
	next     int64 // the first offset that has not been read
	complete bool  // every name that has a code is in names
}

// nameHash represents a name in memory: 16 bytes of its SHA-256, so collisions are impossible in practice.
type nameHash [16]byte

func hashOf(name string) nameHash {
	sum := sha256.Sum256([]byte(name))
	return nameHash(sum[:16])
}

// Source is the log that the tables belong to.
type Source interface {
	// Log returns the log. Its error says why the log is not known.
	Log(ctx context.Context) (*schemakafka.Log, error)
	// Seen is the log as it was seen last, nil if it has not been.
	Seen() *schemakafka.Log
}

// New makes the Codes of a topic in the log of source. A request waits at most waitMax.
func New(topic string, waitMax time.Duration, source Source, client *kafka.Client, reg prometheus.Registerer) *Codes {
	c := &Codes{
		topic: newNamesTopic(client, topic), source: source, waitMax: waitMax, requests: requests.New(reg), turn: make(chan struct{}, 1),
		most: maxActions, each: maxTenantActions, keep: maxNameMemory,
	}
	c.turn <- struct{}{}
	c.forget()
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "activity_query_action_codes",
		Help: "Action names that have a code, as far as this process has read; at most 262144.",
	}, func() float64 { return float64(c.known()) })
	return c
}

// Run reads the existing codes, so that they work when Kafka becomes unavailable. It repeats until it succeeds or ctx ends.
func (c *Codes) Run(ctx context.Context) {
	read := func() (struct{}, error) { return struct{}{}, c.exclusively(ctx, c.readNew) }
	_, _ = backoff.Retry(ctx, read, backoff.WithBackOff(backoff.NewConstantBackOff(prepareEvery)), backoff.WithMaxElapsedTime(0))
}

func (c *Codes) forget() {
	c.codes, c.names, c.tenants = map[nameHash]int64{}, map[int64]string{}, map[string]int{}
	c.bytes, c.next, c.complete = 0, c.topic.first, true
}

// Codes returns the code of each action of entries, by the action's name. It creates the missing codes. While Kafka is unavailable the
// known codes still work and a new name is ErrUnavailable, because a name must keep the code that was shown once.
func (c *Codes) Codes(ctx context.Context, entries []schema.Entry) (codes map[string]int64, err error) {
	defer c.requests.Observe("action_codes", time.Now(), &err)
	codes = map[string]int64{}
	if !c.outdated() {
		if missing := c.fill(codes, entries); len(missing) == 0 {
			return codes, nil
		}
	}
	return codes, c.exclusively(ctx, func(ctx context.Context) error {
		if err := c.readNew(ctx); err != nil {
			return err
		}
		if err := c.append(ctx, c.fill(codes, entries)); err != nil {
			return err
		}
		for _, e := range c.fill(codes, entries) {
			codes[e.Action] = NoCode
		}
		return nil
	})
}

// Name returns the name with this code; ok is false if there is none. While Kafka is unavailable an unknown code is ErrUnavailable.
func (c *Codes) Name(ctx context.Context, code int64) (name string, ok bool, err error) {
	defer c.requests.Observe("action_of", time.Now(), &err)
	if code < 0 {
		return "", false, nil
	}
	if name, ok, sure := c.name(code); sure && !c.outdated() {
		return name, ok, nil
	}
	err = c.exclusively(ctx, func(ctx context.Context) error {
		if err := c.readNew(ctx); err != nil {
			return err
		}
		var sure bool
		if name, ok, sure = c.name(code); sure {
			return nil
		}
		name, ok, err = c.fetch(ctx, code)
		return err
	})
	return name, ok, err
}

// outdated reports whether the known codes belong to an earlier log.
func (c *Codes) outdated() bool {
	log := c.source.Seen()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return log != nil && log.FirstCode != c.topic.first
}

// known returns how many names have a code.
func (c *Codes) known() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.codes)
}

// fill puts the codes of entries' actions into codes and returns an entry of each action that has none yet.
func (c *Codes) fill(codes map[string]int64, entries []schema.Entry) (missing []schema.Entry) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	asked := map[string]bool{}
	for _, e := range entries {
		if asked[e.Action] {
			continue
		}
		asked[e.Action] = true
		if _, has := codes[e.Action]; has {
			continue
		}
		if code, ok := c.codes[hashOf(e.Action)]; ok {
			codes[e.Action] = code
		} else {
			missing = append(missing, e)
		}
	}
	return missing
}

func (c *Codes) full(tenant string) bool {
	return len(c.codes) >= c.most || c.tenants[tenant] >= c.each
}

// name returns the name of a code if it is in memory. sure means that the topic has no more about it.
func (c *Codes) name(code int64) (name string, ok, sure bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	name, ok = c.names[code]
	return name, ok, ok || code < c.next && c.complete
}

// exclusively calls a function that reads or appends, one caller at a time, and waits at most waitMax for its turn. Its error is
// ErrUnavailable.
func (c *Codes) exclusively(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.waitMax)
	defer cancel()
	select {
	case <-ctx.Done():
		return stored.Fault(ctx, ctx.Err())
	case <-c.turn:
	}
	defer func() { c.turn <- struct{}{} }()
	if err := do(ctx); err != nil {
		return stored.Fault(ctx, fmt.Errorf("action codes: %w", err))
	}
	return nil
}

// readNew reads what any replica has appended since the last time. It returns an error if the topic was recreated: until an operator adopts
// the new topic, codes that were shown for a name could be assigned to other names.
func (c *Codes) readNew(ctx context.Context) error {
	log, err := c.source.Log(ctx)
	if err != nil {
		return err
	}
	ids, err := schemakafka.TopicIDs(ctx, c.topic.Client, c.topic.Topic)
	if err != nil {
		return err
	}
	if missing := log.Missing(ids, c.topic.Topic); missing != "" {
		return fmt.Errorf("%s; put it back, or run %q", missing, schemakafka.AdoptCommand)
	}
	c.mu.Lock()
	if c.topic.first != log.FirstCode {
		c.topic.first = log.FirstCode
		c.forget()
	}
	c.mu.Unlock()
	end, err := c.topic.end(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if end < c.next { // the topic was recreated, by a broker without topic ids
		c.forget()
	}
	c.mu.Unlock()
	return c.readTo(ctx, end)
}

func (c *Codes) readTo(ctx context.Context, end int64) error {
	for c.next < end {
		records, next, err := c.topic.fetch(ctx, c.next)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			next, err = c.topic.start(ctx) // the beginning was deleted, and its codes with it
		}
		if err != nil {
			return err
		}
		c.take(records, next)
	}
	return nil
}

// take assigns codes to the names of new records.
func (c *Codes) take(records []namedRecord, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range records {
		h := hashOf(r.name)
		if _, has := c.codes[h]; has || c.full(r.tenant) {
			continue
		}
		c.codes[h] = r.offset
		c.tenants[r.tenant]++
		if c.bytes+len(r.name) > c.keep {
			c.complete = false
			continue
		}
		c.names[r.offset] = r.name
		c.bytes += len(r.name)
	}
	c.next = next
}

// append adds the names of entries to the topic, unless there are too many, and reads the topic to its end.
func (c *Codes) append(ctx context.Context, entries []schema.Entry) error {
	entries = slices.DeleteFunc(entries, func(e schema.Entry) bool { return c.full(e.Tenant) })
	for some := range slices.Chunk(entries, maxAppend) {
		last, err := c.topic.append(ctx, some)
		if err == nil {
			err = c.readTo(ctx, last+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch looks up a code whose name is not kept.
func (c *Codes) fetch(ctx context.Context, code int64) (name string, ok bool, err error) {
	if code >= c.next || code < c.topic.first {
		return "", false, nil
	}
	records, _, err := c.topic.fetch(ctx, code)
	if err != nil || len(records) == 0 || records[0].offset != code {
		return "", false, err
	}
	name = records[0].name
	c.mu.RLock()
	defer c.mu.RUnlock()
	if first, has := c.codes[hashOf(name)]; !has || first != code {
		return "", false, nil
	}
	return name, true, nil
}
