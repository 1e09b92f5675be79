package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

// LogTopic returns the name of the topic that identifies the installation's log. It must never be compacted: see LogState.
func LogTopic(topic string) string { return topic + ".log" }

// verdict is a consumer's result of comparing a log with the tables.
type verdict struct {
	Version int       `json:"version"`
	Log     uuid.UUID `json:"log"`
	Refused string    `json:"refused,omitempty"` // why the log does not belong to the tables; empty: it does
	At      int64     `json:"at"`                // Unix ms
}

// Keys of the records.
const (
	keyLog     = "log"
	keyVerdict = "tables"
)

// LogState is the state of the log, read from the topic of logs.
type LogState struct {
	Log       *Log   // nil: no record yet
	Confirmed bool   // a consumer has compared the log with the tables, and they belong together
	Refused   string // why they do not belong together
}

// take adds a record. A log counts only if its After is the offset of the current log's record. So if several logs are written at once, the
// first counts, and all readers see the same one. An unreadable record is an error: a newer version may say something that must not be
// ignored.
func (s *LogState) take(key string, value []byte, offset int64) error {
	switch key {
	case keyLog:
		var l Log
		if err := decode(value, &l, &l.Version); err != nil {
			return err
		}
		if len(l.Epochs) == 0 || l.ID == uuid.Nil {
			return errors.New("a log without an id or offsets")
		}
		if l.offset = offset; l.After == s.offset() {
			if s.Log == nil || s.Log.ID != l.ID {
				s.Confirmed, s.Refused = false, ""
			}
			s.Log = &l
		}
	case keyVerdict:
		var v verdict
		if err := decode(value, &v, &v.Version); err != nil {
			return err
		}
		if s.Log != nil && s.Log.ID == v.Log {
			s.Confirmed, s.Refused = v.Refused == "", v.Refused
		}
	}
	return nil
}

func (s *LogState) offset() int64 {
	if s.Log == nil {
		return -1
	}
	return s.Log.offset
}

func decode(value []byte, into any, version *int) error {
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if *version < 1 || *version > logVersion {
		return fmt.Errorf("version %d, this program knows 1 to %d", *version, logVersion)
	}
	return nil
}

// LogReader reads the topic of the log, each time from where the last read ended.
type LogReader struct {
	topic Reader
	id    string // the topic's
	next  int64
	state LogState
}

// NewLogReader reads the log of the installation that has this topic of entries.
func NewLogReader(client *kafka.Client, topic string) *LogReader {
	return &LogReader{topic: Reader{Client: client, Topic: LogTopic(topic), MaxBytes: 1 << 20, Wait: 100 * time.Millisecond}}
}

// Read returns the current state. If the topic does not exist, the state is empty.
func (r *LogReader) Read(ctx context.Context) (LogState, error) {
	ids, err := TopicIDs(ctx, r.topic.Client, r.topic.Topic)
	if err != nil {
		return LogState{}, err
	}
	id, there := ids[r.topic.Topic]
	if !there {
		r.restart("")
		return LogState{}, nil
	}
	if id != r.id {
		r.restart(id)
	}
	start, end, err := r.topic.Bounds(ctx)
	if err != nil {
		return LogState{}, err
	}
	if end < r.next { // recreated, or restored, by a broker that reports no ids
		r.restart(id)
	}
	for r.next = max(r.next, start); r.next < end; {
		if r.next, _, err = r.topic.Fetch(ctx, r.next, r.take); err != nil {
			r.restart(id) // some of its records may be in the state already
			return LogState{}, err
		}
	}
	return r.state, nil
}

func (r *LogReader) restart(id string) { r.id, r.next, r.state = id, 0, LogState{} }

func (r *LogReader) take(record *kafka.Record) error {
	key, err := readAll(record.Key)
	if err != nil {
		return err
	}
	value, err := readAll(record.Value)
	if err != nil {
		return err
	}
	return r.state.take(string(key), value, record.Offset)
}

func readAll(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	return kafka.ReadAll(b)
}

// AppendLog writes l. It returns an error if l does not count, because another log was written since the one that l replaces.
func AppendLog(ctx context.Context, client *kafka.Client, topic string, l Log) (LogState, error) {
	l.Version = logVersion
	if err := produceJSON(ctx, client, LogTopic(topic), keyLog, l); err != nil {
		return LogState{}, err
	}
	state, err := NewLogReader(client, topic).Read(ctx)
	switch {
	case err != nil:
		return state, err
	case state.Log == nil || state.Log.After != l.After || state.Log.ID != l.ID || len(state.Log.Epochs) != len(l.Epochs):
		return state, fmt.Errorf("%w: %s", ErrLogChanged, LogTopic(topic))
	}
	return state, nil
}

// ErrLogChanged means that another process has written a log in the meantime.
var ErrLogChanged = errors.New("another log was written meanwhile")

// ConfirmLog writes that the log belongs to the tables.
func ConfirmLog(ctx context.Context, client *kafka.Client, topic string, log uuid.UUID) error {
	return produceJSON(ctx, client, LogTopic(topic), keyVerdict, verdict{logVersion, log, "", time.Now().UnixMilli()})
}

// RefuseLog writes that the log does not belong to the tables, and why.
func RefuseLog(ctx context.Context, client *kafka.Client, topic string, log uuid.UUID, why string) error {
	return produceJSON(ctx, client, LogTopic(topic), keyVerdict, verdict{logVersion, log, why, time.Now().UnixMilli()})
}

// identified lists the topics whose ids a log records.
func identified(topic string) []string {
	return []string{topic, IDs(topic), LogTopic(topic), Actions(topic)}
}

// BeginLog writes the first log of the topics, if there is none yet. If several processes do so at once, the first one counts.
func BeginLog(ctx context.Context, client *kafka.Client, topic string) (LogState, error) {
	state, err := NewLogReader(client, topic).Read(ctx)
	if err != nil || state.Log != nil {
		return state, err
	}
	ids, err := TopicIDs(ctx, client, identified(topic)...)
	if err != nil {
		return state, err
	}
	for _, name := range identified(topic) {
		if _, there := ids[name]; !there { // its id could not be recorded, and its recreation would not be noticed
			return state, fmt.Errorf("kafka has no topic %s: \"activityctl topics\" creates it", name)
		}
	}
	id := uuid.New()
	made := Log{ID: id, Origin: id, Topics: ids, Epochs: []Epoch{{}}, Made: time.Now().UnixMilli(), After: -1}
	state, err = AppendLog(ctx, client, topic, made)
	if errors.Is(err, ErrLogChanged) && state.Log != nil {
		return state, nil
	}
	return state, err
}

func produceJSON(ctx context.Context, client *kafka.Client, topic, key string, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode for %s: %w", topic, err)
	}
	res, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes(value)}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("append to %s: %w", topic, err)
	}
	return nil
}
