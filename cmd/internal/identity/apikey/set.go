package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// fetchWait is how long a broker may hold a fetch while there is nothing new.
const fetchWait = 500 * time.Millisecond

// Held is a key and its rate limiter.
type Held struct {
	Key
	limit *rate.Limiter // nil: no limit
}

// Delay uses the key if its rate allows that, and returns 0; otherwise it returns how long to wait.
func (h *Held) Delay(now time.Time) time.Duration {
	if h.limit == nil {
		return 0
	}
	r := h.limit.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay > 0 {
		r.CancelAt(now)
	}
	return delay
}

// Set has the keys of the topic.
type Set struct {
	topic Topic
	log   *slog.Logger
	seen  prometheus.Gauge
	keys  atomic.Pointer[map[string]*Held] // nil until the topic was read to its end
	why   atomic.Pointer[error]            // error of the last attempt to read it
}

// NewSet returns a Set that is empty until Run has read the topic. It sets seen to the Unix time whenever the topic was read to its
// end.
func NewSet(topic Topic, log *slog.Logger, seen prometheus.Gauge) *Set {
	s := &Set{topic: topic, log: log, seen: seen}
	untried := errors.New("has not been read yet")
	s.why.Store(&untried)
	return s
}

// Ready returns nil once the topic has been read to its end, otherwise the reason why it has not.
func (s *Set) Ready() error {
	if s.keys.Load() != nil {
		return nil
	}
	return fmt.Errorf("API keys: topic %s: %w", s.topic.Name, *s.why.Load())
}

// Find returns the key with the id. It finds none before Ready.
func (s *Set) Find(id string) (*Held, bool) {
	keys := s.keys.Load()
	if keys == nil {
		return nil, false
	}
	k, ok := (*keys)[id]
	return k, ok
}

// Run follows the topic until ctx ends. After an error, also because the topic was created again, it reads the topic from its beginning;
// the keys that it knows stay valid until it has reached the end.
func (s *Set) Run(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, 500*time.Millisecond
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, s.follow(ctx, wait.Reset)
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		s.why.Store(&err)
		s.log.Debug("reading API keys failed", "error", err) // /readyz reports it, and a metric for how long
	})) // ends with ctx
}

// follow reads the topic from its beginning until an error. It calls well after each fetch that succeeds.
func (s *Set) follow(ctx context.Context, well func()) error {
	reader := s.topic.reader(fetchWait)
	offset, err := reader.First(ctx)
	if err != nil {
		return err
	}
	keys := map[string]*Held{}
	for {
		records, next, end, err := fetch(ctx, reader, offset)
		if err != nil {
			return err
		}
		well()
		offset = next
		if len(records) > 0 {
			keys = maps.Clone(keys) // readers have the one before
			for _, r := range records {
				s.apply(keys, r)
			}
		}
		if offset >= end {
			known := keys // a separate variable: readers hold its address, and keys is assigned again
			s.keys.Store(&known)
			s.seen.SetToCurrentTime()
		}
	}
}

// apply puts a record into keys. It drops a key that it cannot read: a field that this version does not know may have revoked it.
func (s *Set) apply(keys map[string]*Held, r record) {
	if len(r.value) == 0 {
		delete(keys, r.id)
		return
	}
	k, err := decode(r.id, r.value)
	if err != nil {
		s.log.Error("unreadable API key ignored", "key", r.id, "error", err)
		delete(keys, r.id)
		return
	}
	h := &Held{Key: k}
	if before, ok := s.held(keys, r.id); ok && before.Rate == k.Rate {
		h.limit = before.limit
	} else if k.Rate > 0 {
		h.limit = rate.NewLimiter(rate.Limit(k.Rate), int(max(1, math.Ceil(k.Rate))))
	}
	keys[r.id] = h
}

// held returns what is known about a key, also while the topic is being read again from its beginning.
func (s *Set) held(keys map[string]*Held, id string) (*Held, bool) {
	if h, ok := keys[id]; ok {
		return h, true
	}
	return s.Find(id)
}
