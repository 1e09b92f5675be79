package query

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
)

// NoCode stands for an action that has no code because there are too many.
const NoCode = -1

// Bounds of action codes. An action's name is a caller's, so somebody may make them up by the million: beyond these a name gets no
// code, and none of the memory of every replica. What counts is the order in the topic, so all replicas agree on which names have
// one. The index of the most names takes some 20 MB.
const (
	maxActions       = 1 << 18
	maxTenantActions = 1 << 14 // names that one tenant was the first to show
	maxNameMemory    = 8 << 20 // bytes of names that are kept; others are fetched when somebody filters by their code
	maxAppend        = 256     // names in one batch: a broker takes 1 MB
)

// actions gives each action name a code, the same on every replica and after every restart: the offset of the name's first record
// in a topic. Whoever first has to show a name appends it and reads back, because another replica may have been faster. A code is
// nobody's secret: it says that somebody, somewhere, uses the name that it is asked for, and the name is only used to filter the
// asking tenant's own entries.
type actions struct {
	topic topicReader
	turn  chan struct{} // holds a token while nobody reads on or appends
	most  int           // names with a code
	each  int           // of them, by tenant
	keep  int           // bytes of names

	mu       sync.RWMutex // guards what follows; the holder of turn alone writes
	codes    map[nameHash]int64
	names    map[int64]string
	bytes    int
	tenants  map[string]int
	next     int64 // the first offset that has not been read
	complete bool  // every name that has a code is in names
}

// nameHash stands for a name in memory. 16 bytes of SHA-256: nobody finds two names with one.
type nameHash [16]byte

func hashOf(name string) nameHash {
	sum := sha256.Sum256([]byte(name))
	return nameHash(sum[:16])
}

func newActions(topic string, client *kafka.Client) *actions {
	a := &actions{
		topic: topicReader{client, topic}, turn: make(chan struct{}, 1),
		most: maxActions, each: maxTenantActions, keep: maxNameMemory,
	}
	a.turn <- struct{}{}
	a.forget()
	return a
}

func (a *actions) forget() {
	a.codes, a.names, a.tenants = map[nameHash]int64{}, map[int64]string{}, map[string]int{}
	a.bytes, a.next, a.complete = 0, 0, true
}

// ActionCodes are the codes of the actions of entries by name, made where they have none yet. While Kafka is away those that are
// known go on working, and a name that is not is ErrUnavailable: whatever it were shown as now would have to stay its code.
func (s *Store) ActionCodes(ctx context.Context, entries []schema.Entry) (codes map[string]int64, err error) {
	defer s.metrics.observe("action_codes", time.Now(), &err)
	codes = map[string]int64{}
	if missing := s.actions.fill(codes, entries); len(missing) == 0 {
		return codes, nil
	}
	return codes, s.actions.exclusively(ctx, s.cfg.WaitMax, func(ctx context.Context) error {
		if err := s.actions.readOn(ctx); err != nil {
			return err
		}
		if err := s.actions.append(ctx, s.actions.fill(codes, entries)); err != nil {
			return err
		}
		for _, e := range s.actions.fill(codes, entries) {
			codes[e.Action] = NoCode
		}
		return nil
	})
}

// ActionOf is the name whose code is given, ok if there is one. A code that is not known while Kafka is away is ErrUnavailable.
func (s *Store) ActionOf(ctx context.Context, code int64) (name string, ok bool, err error) {
	defer s.metrics.observe("action_of", time.Now(), &err)
	if code < 0 {
		return "", false, nil
	}
	if name, ok, sure := s.actions.name(code); sure {
		return name, ok, nil
	}
	err = s.actions.exclusively(ctx, s.cfg.WaitMax, func(ctx context.Context) error {
		if err := s.actions.readOn(ctx); err != nil {
			return err
		}
		var sure bool
		if name, ok, sure = s.actions.name(code); sure {
			return nil
		}
		name, ok, err = s.actions.fetch(ctx, code)
		return err
	})
	return name, ok, err
}

// known is how many names have a code.
func (a *actions) known() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.codes)
}

// fill puts the codes of entries' actions into codes and returns an entry of each action that has none yet.
func (a *actions) fill(codes map[string]int64, entries []schema.Entry) (missing []schema.Entry) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	asked := map[string]bool{}
	for _, e := range entries {
		if asked[e.Action] {
			continue
		}
		asked[e.Action] = true
		if _, has := codes[e.Action]; has {
			continue
		}
		if code, ok := a.codes[hashOf(e.Action)]; ok {
			codes[e.Action] = code
		} else {
			missing = append(missing, e)
		}
	}
	return missing
}

func (a *actions) full(tenant string) bool {
	return len(a.codes) >= a.most || a.tenants[tenant] >= a.each
}

// name is the name of a code as far as it is in memory; sure if there is no need to look further.
func (a *actions) name(code int64) (name string, ok, sure bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	name, ok = a.names[code]
	return name, ok, ok || code < a.next && a.complete
}

// exclusively does what reads on or appends when its turn comes, within patience. Its error is ErrUnavailable.
func (a *actions) exclusively(ctx context.Context, patience time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-ctx.Done():
		return away(ctx, ctx.Err())
	case <-a.turn:
	}
	defer func() { a.turn <- struct{}{} }()
	if err := do(ctx); err != nil {
		return away(ctx, fmt.Errorf("action codes: %w", err))
	}
	return nil
}

// readOn takes in what has been appended since the last time, by whomever.
func (a *actions) readOn(ctx context.Context) error {
	end, err := a.topic.end(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	if end < a.next { // it is another topic: its codes are others
		a.forget()
	}
	a.mu.Unlock()
	return a.readTo(ctx, end)
}

func (a *actions) readTo(ctx context.Context, end int64) error {
	for a.next < end {
		records, next, err := a.topic.fetch(ctx, a.next)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			next, err = a.topic.start(ctx) // the beginning is gone, and its codes with it
		}
		if err != nil {
			return err
		}
		a.take(records, next)
	}
	return nil
}

// take gives records that have not been read before their codes.
func (a *actions) take(records []namedRecord, next int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range records {
		h := hashOf(r.name)
		if _, has := a.codes[h]; has || a.full(r.tenant) {
			continue
		}
		a.codes[h] = r.offset
		a.tenants[r.tenant]++
		if a.bytes+len(r.name) > a.keep {
			a.complete = false
			continue
		}
		a.names[r.offset] = r.name
		a.bytes += len(r.name)
	}
	a.next = next
}

// append adds the names of entries to the topic, unless there are too many, and reads it to there.
func (a *actions) append(ctx context.Context, entries []schema.Entry) error {
	entries = slices.DeleteFunc(entries, func(e schema.Entry) bool { return a.full(e.Tenant) })
	for some := range slices.Chunk(entries, maxAppend) {
		last, err := a.topic.append(ctx, some)
		if err == nil {
			err = a.readTo(ctx, last+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch looks up a code whose name is not kept.
func (a *actions) fetch(ctx context.Context, code int64) (name string, ok bool, err error) {
	if code >= a.next {
		return "", false, nil
	}
	records, _, err := a.topic.fetch(ctx, code)
	if err != nil || len(records) == 0 || records[0].offset != code {
		return "", false, err
	}
	name = records[0].name
	a.mu.RLock()
	defer a.mu.RUnlock()
	if first, has := a.codes[hashOf(name)]; !has || first != code {
		return "", false, nil
	}
	return name, true, nil
}
