package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// maxPublishers bounds the partitions that are told of an erasure at once.
const maxPublishers = 16

// erasure is one request to erase, told to every partition that it concerns by one command.
type erasure struct {
	id      uuid.UUID
	by      schema.Principal
	what    string
	entries uint64 // as counted when it was asked for
	refs    []*activitypb.Ref
	match   *activitypb.Match
	counted bool // the consumer is to note how many entries each command takes
	at      time.Time
}

func (s *Store) erasure(p schema.Principal, what string) *erasure {
	return &erasure{id: uuid.New(), by: p, what: what, at: time.Now()}
}

// commandID is that of a partition's command. Each has an id of its own, because the id is the token of its correction of the
// rollups.
func (e *erasure) commandID(partition int) uuid.UUID {
	return uuid.NewSHA1(e.id, strconv.AppendInt(nil, int64(partition), 10))
}

// command is the Kafka value that erases what lies before the offset.
func (e *erasure) command(partition int, before int64) ([]byte, error) {
	id := e.commandID(partition)
	return schema.AppendCommand(nil, &activitypb.Command{
		Id: id[:], Tenant: e.by.Tenant, Before: before, Refs: e.refs, Match: e.match, Counted: e.counted,
		IssuedAt: e.at.UnixMilli(), IssuedBy: e.by.Subject,
	})
}

// erase publishes the command of each partition, notes the erasure, and waits until all have been carried out.
func (s *Store) erase(ctx context.Context, e *erasure, before schema.Position) error {
	issued, err := s.issue(ctx, e, before)
	if err != nil {
		return unsure(err)
	}
	if err := s.note(ctx, e, before); err != nil {
		return unsure(err)
	}
	if len(issued) == 0 {
		return nil
	}
	return unsure(s.stored.wait(ctx, issued))
}

// issue publishes the commands, all at once, and returns where they lie.
func (s *Store) issue(ctx context.Context, e *erasure, before schema.Position) (schema.Position, error) {
	issued := schema.Position{}
	var mu sync.Mutex // guards issued
	var all errgroup.Group
	all.SetLimit(maxPublishers)
	for partition, end := range before {
		if end == 0 {
			continue // nothing was ever acknowledged there
		}
		all.Go(func() error {
			value, err := e.command(partition, end)
			if err != nil {
				return err
			}
			offset, err := s.publish(ctx, partition, value)
			mu.Lock()
			defer mu.Unlock()
			issued[partition] = offset
			return err
		})
	}
	return issued, all.Wait()
}

// unsure makes of an outage one that leaves the outcome open: some commands have been published, perhaps.
func unsure(err error) error {
	if errors.Is(err, schema.ErrUnavailable) {
		return fmt.Errorf("%w: erase: %v", schema.ErrTimeout, err) //nolint:errorlint // the kind of err is what must go
	}
	return err
}

// publish appends value to the partition and returns its offset. It sends the same bytes until they are acknowledged or ctx
// ends: a command that arrives twice is carried out once.
func (s *Store) publish(ctx context.Context, partition int, value []byte) (int64, error) {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		res, err := s.kafka.Produce(ctx, &kafka.ProduceRequest{
			Topic: s.cfg.Topic, Partition: partition, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Value: kafka.NewBytes(value)}),
		})
		if err == nil {
			err = res.Error
		}
		if err == nil {
			return res.BaseOffset, nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return 0, context.Canceled
			}
			return 0, fmt.Errorf("%w: publish a command: %w", schema.ErrTimeout, err)
		case <-pause.C:
		}
	}
}

// note writes e into the table of erasures.
func (s *Store) note(ctx context.Context, e *erasure, before schema.Position) error {
	const insert = `INSERT INTO erasures (id, tenant, at, by, what, position, entries)
SELECT {id:UUID}, {tenant:String}, fromUnixTimestamp64Milli({at:Int64}, 'UTC'), {by:String}, {what:String}, {position:String}, {entries:UInt64}`
	err := s.conn.Exec(ctx, insert,
		clickhouse.Named("id", e.id.String()), clickhouse.Named("tenant", e.by.Tenant), clickhouse.Named("at", e.at.UnixMilli()),
		clickhouse.Named("by", e.by.Subject), clickhouse.Named("what", e.what), clickhouse.Named("position", before.String()),
		clickhouse.Named("entries", e.entries))
	if err != nil {
		return fault(ctx, fmt.Errorf("note an erasure: %w", err))
	}
	return nil
}

// describe is m for people who read the log of erasures.
func describe(m schema.Match) string {
	var all []string
	add := func(name, value string) {
		if value != "" {
			all = append(all, name+" "+strconv.Quote(value))
		}
	}
	at := func(name string, ms int64) {
		if ms != 0 {
			all = append(all, name+" "+time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
	}
	add("platform", m.Platform)
	add("device", m.Device)
	add("action", m.Action)
	add("actor", m.ActorID)
	add("actor kind", m.ActorKind)
	add("actor kind other than", m.NotActorKind)
	add("username", m.Username)
	for _, t := range m.Targets {
		add("target type", t.Type)
		add("target", t.ID)
		add("or of the type", t.Else)
	}
	add("request", m.RequestID)
	add("words", m.Search)
	at("time from", m.Start)
	at("time to", m.End)
	at("received before", m.ReceivedBefore)
	return strings.Join(all, ", ")
}

// taken is how many of the entries that e erased were visible from the day floor on. It is exact whatever else was erased at
// the same time, because every entry was taken by the command that met it first.
func (s *Store) taken(ctx context.Context, e *erasure, before schema.Position, floor string) (n uint64, err error) {
	ids := make([]string, 0, len(before))
	for partition := range before {
		ids = append(ids, e.commandID(partition).String())
	}
	q := statement{
		"SELECT sum(entries) FROM erased WHERE command IN {commands:Array(UUID)} AND received >= {floor:Date}",
		[]any{clickhouse.Named("commands", ids), clickhouse.Named("floor", floor)},
	}
	if err := s.one(ctx, e.by.Tenant, q, &n); err != nil {
		return 0, unsure(fmt.Errorf("count what was erased: %w", err))
	}
	s.metrics.erased.Add(float64(n))
	return n, nil
}

// actionErase is the action of the entry that tells of an erasure.
const actionErase = "activity.erase"

// tell writes an entry of its own about e, which took n entries, into one of the partitions, and waits for it to be stored, for
// as long as there is time. It is a record without ids: a store's entries are rare, and one without a lease has an id that
// follows from where it lies (schema.ForeignID). Its event key is e's id, so that a record that was sent twice is stored once.
func (s *Store) tell(ctx context.Context, e *erasure, before schema.Position, n uint64) error {
	details, err := json.Marshal(struct {
		What         string `json:"what"`
		DeletedCount uint64 `json:"deletedCount"`
		Position     string `json:"position"`
	}{e.what, n, before.String()})
	if err != nil {
		return fmt.Errorf("tell of an erasure: %w", err)
	}
	now := time.Now().UnixMilli()
	var c schema.Chunk
	c.Reset(e.by.Tenant, now)
	entry := schema.Entry{Timestamp: now, Action: actionErase, ActorID: e.by.Subject, Details: string(details)}
	c.Add(&entry, &schema.EventKey{Hash: e.id, Body: 1})
	c.Seal(0)
	partition := slices.Min(slices.Collect(maps.Keys(before)))
	offset, err := s.publish(ctx, partition, schema.AppendChunk(schema.AppendRecordHeader(nil), &c))
	if err != nil {
		return unsure(fmt.Errorf("tell of an erasure: %w", err))
	}
	_ = s.stored.wait(ctx, schema.Position{partition: offset}) // it is in Kafka; a courtesy to who lists right away
	s.lately.forget()
	return nil
}
