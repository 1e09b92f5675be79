// Package logs checks that the tables are filled from one log only. A log is the topics of an installation as they were created
// together. Ids of entries and offsets are unique only within one log: the consumer would mistake entries of another log for stored
// entries and drop them. So the tables record their log, and nothing is stored from another one until an operator adopts it. Its ids
// and offsets then continue above those that the tables have.
package logs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	tables "github.com/activitylog/activitylog/schema/clickhouse"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Pair is a log and the tables.
type Pair struct {
	Client *kafka.Client
	Topic  string // of the entries
	Conn   driver.Conn
}

// Check compares the two, and returns the log if it belongs to the tables. New tables belong to the first log that is checked. Tables of a
// version without log identities belong to the log that has their entries. The error is a LogError if the tables belong to another log;
// Check also tells the collectors so, through the topic. Any other error says that Kafka or ClickHouse could not be reached.
func (p *Pair) Check(ctx context.Context) (*schemakafka.Log, error) {
	state, err := schemakafka.BeginLog(ctx, p.Client, p.Topic)
	if err != nil {
		return nil, err
	}
	log, own, err := p.judge(ctx, state.Log)
	var refusal *schemakafka.LogError
	switch {
	case errors.As(err, &refusal):
		// A consumer with other tables must not stop the collectors of these tables.
		tell := own || !state.Confirmed
		if !tell {
			had, err := p.had(ctx, state.Log.ID)
			if err != nil {
				return nil, err
			}
			tell = had
		}
		if tell && state.Refused != refusal.Why {
			if err := schemakafka.RefuseLog(ctx, p.Client, p.Topic, state.Log.ID, refusal.Why); err != nil {
				return nil, err
			}
		}
		return nil, err
	case err != nil:
		return nil, err
	case !state.Confirmed || log.ID != state.Log.ID:
		err = schemakafka.ConfirmLog(ctx, p.Client, p.Topic, log.ID)
	}
	return log, err
}

// judge returns log, or its corrected form, if it belongs to the tables. own says that the tables have recorded the log's id.
func (p *Pair) judge(ctx context.Context, log *schemakafka.Log) (belongs *schemakafka.Log, own bool, err error) {
	ids, err := schemakafka.TopicIDs(ctx, p.Client, p.watched()...)
	if err != nil {
		return nil, false, err
	}
	known, turn, err := p.known(ctx)
	if err != nil {
		return nil, false, err
	}
	own = known != nil && known.ID == log.ID
	switch {
	case known == nil:
		err = p.first(ctx, log)
	case own && len(known.Epochs) != len(log.Epochs):
		err = p.keep(ctx, log, turn+1)
	case own:
	case log.After < 0 && sameTopics(known, ids, p.Topic):
		log, err = p.again(ctx, known, log) // only the topic that says which log it is was lost
	case log.Adopts == known.ID:
		err = cutOff(log)
	default:
		err = refuse("the tables hold entries of log %v, Kafka has log %v: their ids and offsets collide. Put the Kafka of the former back, or give the tables to the latter with %q",
			known, log, schemakafka.AdoptCommand)
	}
	if err != nil {
		return nil, own, err
	}
	if missing := log.Missing(ids, p.watched()...); missing != "" {
		return nil, own, refuse("log %v: %s. Put the topic back, or run %q", log, missing, schemakafka.AdoptCommand)
	}
	return log, own, p.leases(ctx, log)
}

func cutOff(log *schemakafka.Log) error {
	return refuse("log %v is about to become the tables' log, but that was cut off: run %q again", log, schemakafka.AdoptCommand)
}

func (p *Pair) watched() []string {
	return []string{p.Topic, schemakafka.IDs(p.Topic), schemakafka.LogTopic(p.Topic)}
}

func refuse(format string, args ...any) error {
	return &schemakafka.LogError{Refused: true, Why: fmt.Sprintf(format, args...)}
}

// sameTopics reports whether the topics of entries and of leases are the topics of l.
func sameTopics(l *schemakafka.Log, ids map[string]string, topic string) bool {
	for _, name := range [...]string{topic, schemakafka.IDs(topic)} {
		if ids[name] == "" || ids[name] != l.Topics[name] {
			return false
		}
	}
	return true
}

// again restores the content of the topic of the log, which was recreated. The other topics keep their recorded ids: if the topic of action
// codes was recreated, too, this must be noticed.
func (p *Pair) again(ctx context.Context, known, made *schemakafka.Log) (*schemakafka.Log, error) {
	next := made.Successor()
	next.ID, next.Origin, next.Epochs, next.Made = known.ID, known.Origin, known.Epochs, known.Made
	next.FirstBlock, next.FirstCode, next.Adopts, next.Foreign = known.FirstBlock, known.FirstCode, known.Adopts, known.Foreign
	maps.Copy(next.Topics, known.Topics)
	name := schemakafka.LogTopic(p.Topic)
	next.Topics[name] = made.Topics[name]
	state, err := schemakafka.AppendLog(ctx, p.Client, p.Topic, next)
	return state.Log, err
}

// first records log as the log of tables that have recorded none: empty tables, or tables that hold its entries.
func (p *Pair) first(ctx context.Context, log *schemakafka.Log) error {
	empty, err := p.empty(ctx)
	if err != nil {
		return err
	}
	switch {
	case empty:
	case log.Adopts == unknownLog:
		return cutOff(log)
	default:
		if err := p.content(ctx, log); err != nil {
			return err
		}
	}
	return p.keep(ctx, log, 1)
}

// empty reports whether the tables have no entry and no watermark that could collide with a new log.
func (p *Pair) empty(ctx context.Context) (bool, error) {
	const query = `SELECT (SELECT count() FROM (SELECT 1 FROM activity LIMIT 1)) + (SELECT count() FROM (SELECT 1 FROM by_entity WHERE ` + tables.IsWatermark + ` LIMIT 1))`
	var n uint64
	if err := p.Conn.QueryRow(ctx, query).Scan(&n); err != nil {
		return false, fmt.Errorf("check whether the tables are empty: %w", err)
	}
	return n == 0, nil
}

// leases returns an error if the next lease would assign ids that the tables already have.
func (p *Pair) leases(ctx context.Context, log *schemakafka.Log) error {
	for range 2 { // entries with a block that was leased after the first look may be stored by the time of the query
		next, err := p.nextBlock(ctx, log)
		if err != nil {
			return err
		}
		// If all is well, the index of ids leaves nothing to read. The query takes the highest id, so that every consumer gives the same reason.
		const query = "SELECT count(), max(id) FROM activity WHERE id >= ? AND id < ?"
		var n, id uint64
		if err := p.Conn.QueryRow(ctx, query, next*schema.IDBlock, uint64(schema.FirstForeignID)).Scan(&n, &id); err != nil {
			return fmt.Errorf("look for ids that have not been leased: %w", err)
		}
		if n == 0 {
			return nil
		}
		if again, err := p.nextBlock(ctx, log); err != nil || again <= schema.Block(id) {
			return cmpErr(err, refuse("topic %s leases block %d next, but the tables have the id %d of block %d: Kafka lost its end, or was restored from an older backup, and ids would be assigned twice. Run %q",
				schemakafka.IDs(p.Topic), again, id, schema.Block(id), schemakafka.AdoptCommand))
		}
	}
	return errors.New("cannot check the leases: new ids were stored during both look-ups")
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// nextBlock returns the block that the next lease gets.
func (p *Pair) nextBlock(ctx context.Context, log *schemakafka.Log) (uint64, error) {
	end, err := schemakafka.Reader{Client: p.Client, Topic: schemakafka.IDs(p.Topic)}.End(ctx)
	return log.FirstBlock + uint64(end), err
}

// known returns the log that the tables belong to and its turn. The log is nil if the tables have recorded none.
func (p *Pair) known(ctx context.Context) (*schemakafka.Log, uint64, error) {
	var turn uint64
	var record string
	err := p.Conn.QueryRow(ctx, "SELECT turn, record FROM logs ORDER BY turn DESC LIMIT 1").Scan(&turn, &record)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("look up the tables' log: %w", err)
	}
	log, err := schemakafka.DecodeLog([]byte(record))
	if err != nil {
		return nil, 0, fmt.Errorf("read the tables' log: %w", err)
	}
	return &log, turn, nil
}

// had reports whether log is the tables' log, or was it before. A confirmation in its topic may date from that time.
func (p *Pair) had(ctx context.Context, log uuid.UUID) (bool, error) {
	var n uint64
	if err := p.Conn.QueryRow(ctx, "SELECT count() FROM logs WHERE log = ?", log).Scan(&n); err != nil {
		return false, fmt.Errorf("look up an earlier log of the tables: %w", err)
	}
	return n > 0, nil
}

// keep records log as the log of the tables. If two processes write the same turn, one succeeds and the other gets an error.
func (p *Pair) keep(ctx context.Context, log *schemakafka.Log, turn uint64) error {
	record, err := log.Encode()
	if err != nil {
		return err
	}
	once := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate": 1, "insert_deduplication_token": fmt.Sprintf("logs:%d", turn),
	}))
	const insert = "INSERT INTO logs (turn, log, record) SELECT {turn:UInt64}, {log:UUID}, {record:String}"
	if err := p.Conn.Exec(once, insert, clickhouse.Named("turn", turn), clickhouse.Named("log", log.ID.String()), clickhouse.Named("record", string(record))); err != nil {
		return fmt.Errorf("store the tables' log: %w", err)
	}
	now, _, err := p.known(ctx)
	if err != nil {
		return err
	}
	if now == nil || now.ID != log.ID {
		return fmt.Errorf("%w: the tables belong to log %v", schemakafka.ErrLogChanged, idOf(now))
	}
	return nil
}

func idOf(l *schemakafka.Log) uuid.UUID {
	if l == nil {
		return uuid.Nil
	}
	return l.ID
}
