package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Bounds of leasing.
const (
	maxLease     = 16                     // blocks in one lease
	busyLease    = 500 * time.Millisecond // after a lease that lasted less, the next one is larger
	leaseTimeout = 5 * time.Second
	leaseRetry   = 250 * time.Millisecond
)

// ids hands out entry ids from leased blocks: see schema.IDBlock. It leases the next block when less than half a block is
// left. Ids that were leased or handed out and not used are lost, which costs nothing: there are 2^53.
type ids struct {
	source *source
	topic  string
	m      *metrics

	mu     sync.Mutex       // guards what follows
	log    *schemakafka.Log // that spans were leased in
	spans  []span
	leased time.Time
	failed error         // why the last lease was not granted; nil if it was
	blocks int           // of the next lease
	grown  chan struct{} // closed and replaced when spans are added
	want   chan struct{} // holds a token when a lease is due
}

type span struct{ next, end uint64 }

func newIDs(s *source, topic string, m *metrics) *ids {
	return &ids{source: s, topic: topic, m: m, blocks: 1, grown: make(chan struct{}), want: make(chan struct{}, 1)}
}

// take returns the first of n contiguous ids, n ≤ schema.MaxRecordEntries. It waits for a lease until ctx ends.
func (s *ids) take(ctx context.Context, n int) (uint64, error) {
	for {
		id, ok, grown := s.tryTake(uint64(n))
		if ok {
			return id, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: wait for ids: %w", schema.ErrUnavailable, ctx.Err())
		}
	}
}

func (s *ids) tryTake(n uint64) (id uint64, ok bool, grown <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.spans) > 0 && s.spans[0].end-s.spans[0].next < n {
		s.spans = s.spans[1:]
	}
	if len(s.spans) > 0 {
		id, ok = s.spans[0].next, true
		s.spans[0].next += n
	}
	if s.left() < schema.IDBlock/2 {
		select {
		case s.want <- struct{}{}:
		default:
		}
	}
	return id, ok, s.grown
}

func (s *ids) left() (n uint64) {
	for _, sp := range s.spans {
		n += sp.end - sp.next
	}
	return n
}

// run leases blocks whenever they are due, until ctx ends. The first lease is due at once.
func (s *ids) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.want:
		case <-timer.C:
		}
		if err := s.lease(ctx); err != nil {
			s.refused(err)
			timer.Reset(leaseRetry)
		}
	}
}

func (s *ids) lease(ctx context.Context) error {
	s.mu.Lock()
	enough, blocks := s.left() >= schema.IDBlock/2, s.blocks
	s.mu.Unlock()
	if enough {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	log, err := s.source.current()
	if err != nil {
		return err
	}
	records := make([]kafka.Record, blocks)
	for i := range records {
		records[i].Value = kafka.NewBytes([]byte{1})
	}
	res, err := s.source.Client().Produce(ctx, &kafka.ProduceRequest{Topic: s.topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("lease a block of ids: %w", err)
	}
	// The topic may have been recreated meanwhile, or the log replaced: then these blocks may belong to another collector.
	first := log.FirstBlock + uint64(res.BaseOffset)
	switch now, err := s.source.look(ctx); {
	case err != nil:
		return err
	case now.ID != log.ID:
		return fmt.Errorf("%w: log %v has replaced log %v", errNotSent, now, log)
	}
	if !s.source.grant(log, first, first+uint64(blocks)) {
		_, err := s.source.current()
		return err
	}
	return s.add(first, blocks)
}

// begin drops ids that were leased in an earlier log, or before the log lost its newest records: only ids that are leased from now on are
// certainly higher than all ids in the tables.
func (s *ids) begin(log *schemakafka.Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil && !s.log.Same(log) {
		s.spans = nil
	}
	s.log = log
	if len(s.spans) > 0 {
		return
	}
	select {
	case s.want <- struct{}{}:
	default:
	}
}

var errNoIDs = errors.New("no ids left")

// add adds the leased blocks from first on.
func (s *ids) add(first uint64, blocks int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for b := first; b < first+uint64(blocks); b++ {
		sp := span{b * schema.IDBlock, (b + 1) * schema.IDBlock}
		if sp.end-1 > schema.MaxID {
			return errNoIDs
		}
		sp.next = max(sp.next, 1) // 0 stands for no id
		s.spans = append(s.spans, sp)
	}
	// Twice as many next time if this lease was used up quickly, one if it lasted.
	if time.Since(s.leased) < busyLease {
		s.blocks = min(2*s.blocks, maxLease)
	} else {
		s.blocks = 1
	}
	s.leased, s.failed = time.Now(), nil
	close(s.grown)
	s.grown = make(chan struct{})
	return nil
}

func (s *ids) refused(err error) {
	var reason error = errLogRefused
	if !schemakafka.IsLogError(err) {
		s.m.leaseFailures.Inc()
		reason = classify(err).reason()
	}
	s.mu.Lock()
	s.failed = reason
	s.mu.Unlock()
}

// ready returns nil if there are ids to hand out, otherwise the reason why there are none.
func (s *ids) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.spans) > 0:
		return nil
	case s.failed != nil:
		return s.failed
	}
	return errUnavailable
}
