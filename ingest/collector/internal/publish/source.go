package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// source tracks the log that entries are written to. Only the log that the tables belong to may be written to: entries that another Kafka
// acknowledged in its place would never be stored.
type source struct {
	*schemakafka.Follower
	leases schemakafka.Reader
	m      *metrics
	log    *slog.Logger

	verifying sync.Mutex // held by the partition that looks for all of them

	leased  atomic.Uint64             // blocks before it have been leased in the log inLog
	inLog   atomic.Pointer[uuid.UUID] // nil: nothing has been leased
	lost    atomic.Bool               // Kafka has lost the last of those leases
	changed func(*schemakafka.Log)    // called when there is another log
}

func newSource(client *kafka.Client, topic string, m *metrics, log *slog.Logger) *source {
	f := schemakafka.Follow(client, topic)
	return &source{
		Follower: f, m: m, log: log, changed: func(*schemakafka.Log) {},
		leases: schemakafka.Reader{Client: f.Client(), Topic: schemakafka.IDs(topic)},
	}
}

// current returns the log that may be written to now. Its error is a schemakafka.LogError.
func (s *source) current() (*schemakafka.Log, error) {
	log, err := s.Log()
	if err == nil && s.lost.Load() {
		if in := s.inLog.Load(); in != nil && *in == log.ID {
			return nil, &schemakafka.LogError{Refused: true, Why: fmt.Sprintf(
				"log %v: topic %s has lost leases that this collector holds: Kafka lost its end, or was restored from an older backup, and ids would be assigned twice. Run %q",
				log, s.leases.Topic, schemakafka.AdoptCommand,
			)}
		}
	}
	return log, err
}

// grant remembers that the blocks from first to before end have been leased in the log. It returns false if some of them were leased
// before: then the topic of leases has lost its newest records, and new ones were appended.
func (s *source) grant(log *schemakafka.Log, first, end uint64) bool {
	if in := s.inLog.Load(); in == nil || *in != log.ID {
		s.leased.Store(0)
		s.lost.Store(false)
		s.inLog.Store(&log.ID)
	}
	if first < s.leased.Load() {
		s.lost.Store(true)
		return false
	}
	s.leased.Store(end)
	return true
}

// verify checks, after a new connection, that the broker which answers has the log: a broker that replaces another one, or restarts on
// another folder, needs new connections. Its error is a LogError, or says that Kafka could not be asked.
func (s *source) verify(ctx context.Context) (*schemakafka.Log, error) {
	if s.Sure() {
		return s.current()
	}
	s.verifying.Lock()
	defer s.verifying.Unlock()
	for range deadConns {
		if s.Sure() {
			return s.current()
		}
		if _, err := s.look(ctx); err != nil {
			return nil, err
		}
	}
	return s.current() // connections are made all the time; the last look was a moment ago
}

// look reads the topics, and checks that Kafka still has the leases that it granted.
func (s *source) look(ctx context.Context) (*schemakafka.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var err error
	for range deadConns { // idle connections may be broken
		if _, err = s.Look(ctx); err == nil || schemakafka.IsLogError(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	log, err := s.Log()
	if err != nil {
		return nil, err
	}
	if in := s.inLog.Load(); in != nil && *in == log.ID {
		end, err := s.leases.End(ctx)
		if err != nil {
			return nil, err
		}
		if log.FirstBlock+uint64(end) < s.leased.Load() {
			s.lost.Store(true)
		}
	}
	return s.current()
}

// run looks at intervals until ctx ends, and logs each change.
func (s *source) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var log *schemakafka.Log
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		_, looked := s.look(ctx)
		now, err := s.current()
		if now != nil && (log == nil || !now.Same(log)) {
			log = now
			s.changed(now)
		}
		timer.Reset(pauseAfter(err, looked))
		if why := fmt.Sprint(err); why != said && ctx.Err() == nil {
			said = why
			s.tell(now, err)
		}
	}
}

// pauseAfter returns the time from one look to the next. err is the reason why nothing may be written, looked the error if Kafka could not
// be asked.
func pauseAfter(err, looked error) time.Duration {
	var refusal *schemakafka.LogError
	switch {
	case err == nil:
		return lookEvery
	case errors.As(err, &refusal) && !refusal.Refused && schemakafka.IsLogError(looked): // a consumer will soon confirm or refuse the log
		return lookSoon
	}
	return lookRetry
}

func (s *source) tell(log *schemakafka.Log, err error) {
	var refusal *schemakafka.LogError
	switch {
	case err == nil:
		s.m.logRefused.Set(0)
		s.log.Info("kafka log accepted", "log", log.String())
		return
	case errors.As(err, &refusal) && refusal.Refused:
		s.log.Error("kafka log refused", "error", err)
	default:
		s.log.Warn("waiting for kafka log", "error", err)
	}
	s.m.logRefused.Set(1)
}
