package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// LogError is the reason why nothing may be written to the topics: no consumer has confirmed yet that the tables belong to them, or the
// tables belong to another log.
type LogError struct {
	Refused bool // an operator must act; otherwise the service only waits
	Why     string
}

// Error returns the reason, for operators.
func (e *LogError) Error() string { return e.Why }

// AdoptCommand makes a log the tables' log.
const AdoptCommand = "activityctl adopt"

// Follower tracks the log that a service writes to, and whether the service may write.
type Follower struct {
	client *kafka.Client
	topic  string
	topics []string // whose ids count
	dials  *atomic.Uint64
	now    atomic.Pointer[followed]
	sure   atomic.Uint64 // value of dials when the last look began

	mu     sync.Mutex // guards what follows: one look at a time
	reader *LogReader
}

type followed struct {
	log *Log
	err error
}

// Follow follows the log of the installation's topic, and compares the ids of its topics. Connections of its Client are counted:
// see Sure.
func Follow(client *kafka.Client, topic string) *Follower {
	counted, dials := counting(client)
	f := &Follower{
		client: counted, topic: topic, dials: dials, reader: NewLogReader(counted, topic), topics: []string{topic, IDs(topic), LogTopic(topic)},
	}
	f.now.Store(&followed{err: &LogError{Why: "the log has not been looked up yet"}})
	return f
}

// Client returns the client that Follow was given, with its connections counted.
func (f *Follower) Client() *kafka.Client { return f.client }

// Close closes the connections that are idle.
func (f *Follower) Close() {
	if t, ok := f.client.Transport.(*kafka.Transport); ok {
		t.CloseIdleConnections()
	}
}

// Log returns the log that was seen last. Its error is a LogError.
func (f *Follower) Log() (*Log, error) {
	now := f.now.Load()
	return now.log, now.err
}

// Sure reports that no connection was made since the last look began: then the same broker still answers. A broker that replaces another
// one, or that restarts on another folder, cannot take over its connections.
func (f *Follower) Sure() bool { return f.dials.Load() == f.sure.Load() }

// Look reads the topics, and returns the log if entries may be written to it. Its error is a LogError, or says that Kafka could not be
// reached: then Log still returns what was seen last.
func (f *Follower) Look(ctx context.Context) (*Log, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dials := f.dials.Load()
	state, err := f.reader.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	ids, err := TopicIDs(ctx, f.client, f.topics...)
	if err != nil {
		return nil, err
	}
	next := &followed{log: state.Log, err: f.judge(state, ids)}
	f.now.Store(next)
	f.sure.Store(dials)
	return next.log, next.err
}

func (f *Follower) judge(state LogState, ids map[string]string) error {
	if state.Log == nil {
		return &LogError{Why: "topic " + LogTopic(f.topic) + " does not say yet which log this is: a consumer does, or \"activityctl topics\""}
	}
	if missing := state.Log.Missing(ids, f.topics...); missing != "" {
		return &LogError{true, fmt.Sprintf("log %v: %s; put the topic back, or run %q", state.Log, missing, AdoptCommand)}
	}
	switch {
	case state.Refused != "":
		return &LogError{true, state.Refused}
	case !state.Confirmed:
		return &LogError{Why: fmt.Sprintf("log %v has not been compared with the tables yet: a consumer does that when it starts", state.Log)}
	}
	return nil
}

// IsLogError reports whether err means that nothing may be written to the topics.
func IsLogError(err error) bool {
	var e *LogError
	return errors.As(err, &e)
}

// counting returns client with its connections counted. A transport that is not kafka-go's own is not changed.
func counting(client *kafka.Client) (*kafka.Client, *atomic.Uint64) {
	dials := new(atomic.Uint64)
	if client == nil {
		return nil, dials
	}
	t, ok := client.Transport.(*kafka.Transport)
	if !ok {
		return client, dials
	}
	dial := t.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 3 * time.Second}).DialContext // as kafka-go does
	}
	return &kafka.Client{Addr: client.Addr, Timeout: client.Timeout, Transport: &kafka.Transport{
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err == nil {
				dials.Add(1)
			}
			return conn, err
		},
		DialTimeout: t.DialTimeout, IdleTimeout: t.IdleTimeout, MetadataTTL: t.MetadataTTL, MetadataTopics: t.MetadataTopics,
		ClientID: t.ClientID, TLS: t.TLS, SASL: t.SASL, Resolver: t.Resolver, Context: t.Context,
	}}, dials
}
