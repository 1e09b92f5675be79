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

// fetchWait is how long a broker holds a fetch back while there is nothing new. What is new it sends at once.
const fetchWait = 500 * time.Millisecond

// Held is a key and how fast it may be used.
type Held struct {
	Key
	limit *rate.Limiter // nil: no limit
}

// Delay is how long to wait before the key may be used again; 0 where it is used now.
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

// Set is the keys that there are, as the topic tells.
type Set struct {
	topic Topic
	log   *slog.Logger
	seen  prometheus.Gauge
	keys  atomic.Pointer[map[string]*Held] // nil until the topic was read to its end
	why   atomic.Pointer[error]            // the last try to read it went wrong
}

// NewSet makes a Set that is empty until Run has read the topic. seen is told the Unix time of each time that it was read to
// its end.
func NewSet(topic Topic, log *slog.Logger, seen prometheus.Gauge) *Set {
	s := &Set{topic: topic, log: log, seen: seen}
	untried := errors.New("has yet to be read")
	s.why.Store(&untried)
	return s
}

// Ready is nil once the topic has been read to its end, else why it has not.
func (s *Set) Ready() error {
	if s.keys.Load() != nil {
		return nil
	}
	return fmt.Errorf("API keys: topic %s: %w", s.topic.Name, *s.why.Load())
}

// Find is the key with the id. There is none before Ready.
func (s *Set) Find(id string) (*Held, bool) {
	keys := s.keys.Load()
	if keys == nil {
		return nil, false
	}
	k, ok := (*keys)[id]
	return k, ok
}

// Run follows the topic until ctx ends. When something goes wrong, be it that the topic was made anew, it begins again, and
// until it has come to the end what it knows stays in force.
func (s *Set) Run(ctx context.Context) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, 500*time.Millisecond
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, s.follow(ctx, wait.Reset)
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
		s.why.Store(&err)
		s.log.Debug("API keys cannot be read", "reason", err) // readiness says so, and a metric for how long
	})) // it ends when ctx does
}

// follow reads from the topic's beginning until something goes wrong; it calls well each time that a fetch went well.
func (s *Set) follow(ctx context.Context, well func()) error {
	offset, err := s.topic.first(ctx)
	if err != nil {
		return err
	}
	keys := map[string]*Held{}
	for {
		p, err := s.topic.fetch(ctx, offset, fetchWait)
		if err != nil {
			return err
		}
		well()
		offset = p.next
		if len(p.records) > 0 {
			keys = maps.Clone(keys) // readers have the one before
			for _, r := range p.records {
				s.apply(keys, r)
			}
		}
		if offset >= p.end {
			known := keys // a variable of its own: readers look through its address while keys gets another value
			s.keys.Store(&known)
			s.seen.SetToCurrentTime()
		}
	}
}

// apply puts a record into keys. A key that cannot be read is none: it may have been revoked by what this version does not know.
func (s *Set) apply(keys map[string]*Held, r record) {
	if len(r.value) == 0 {
		delete(keys, r.id)
		return
	}
	k, err := decode(r.id, r.value)
	if err != nil {
		s.log.Error("an API key cannot be read and is not taken", "key", r.id, "reason", err)
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

// held is what is known of a key already, also where the topic is being read from its beginning again.
func (s *Set) held(keys map[string]*Held, id string) (*Held, bool) {
	if h, ok := keys[id]; ok {
		return h, true
	}
	return s.Find(id)
}
