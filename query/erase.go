package query

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/activitylog/activitylog/schema"
	"github.com/activitylog/activitylog/schema/activitypb"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// maxPublishers bounds the partitions that are told of an erasure at once.
const maxPublishers = 16

// DeleteOne erases the entry with the id, of p's tenant, wherever it is by now: also if it is still in Kafka. After nil no
// read shows it. ErrNotFound: there is no such entry. ErrTimeout: the erasure may or may not come about, and may be asked for
// again. ErrUnavailable: nothing has been erased.
func (s *Store) DeleteOne(ctx context.Context, p schema.Principal, id uint64) (err error) {
	defer s.metrics.observe("delete_one", time.Now(), &err)
	ctx, cancel, err := s.erasing(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	ends, err := s.ends(ctx)
	if err != nil {
		return err
	}
	at, err := s.locate(ctx, p, id)
	if errors.Is(err, schema.ErrNotFound) { // it may still be in Kafka
		if err := s.settled(ctx, ends); err != nil {
			return err
		}
		at, err = s.locate(ctx, p, id)
	}
	if err != nil {
		return err
	}
	e := s.erasure(p, "entry "+strconv.FormatUint(id, 10))
	e.entries = 1
	e.refs = []*activitypb.Ref{{Id: id, Timestamp: at.timestamp}}
	return s.erase(ctx, e, schema.Position{at.partition: at.offset + 1})
}

// DeleteAll erases every entry of p's tenant that was acknowledged before the call, and no other. Its errors are those of
// DeleteOne.
func (s *Store) DeleteAll(ctx context.Context, p schema.Principal) (err error) {
	defer s.metrics.observe("delete_all", time.Now(), &err)
	ctx, cancel, err := s.erasing(ctx, p)
	if err != nil {
		return err
	}
	defer cancel()
	ends, err := s.ends(ctx)
	if err != nil {
		return err
	}
	e := s.erasure(p, "everything")
	f, err := tenantFilter(p)
	if err != nil {
		return err
	}
	if e.entries, err = s.count(ctx, f, countOf(f, s.floor())); err != nil {
		return err
	}
	return s.erase(ctx, e, ends)
}

func (s *Store) erasing(ctx context.Context, p schema.Principal) (context.Context, context.CancelFunc, error) {
	if err := p.Require(schema.ScopeDelete); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.WaitMax)
	return ctx, cancel, nil
}

// ends are the offsets after the last record of each partition: everything acknowledged so far lies before them.
func (s *Store) ends(ctx context.Context) (schema.Position, error) {
	n, err := schemakafka.Partitions(ctx, s.kafka, s.cfg.Topic)
	if err != nil {
		return nil, away(ctx, err)
	}
	return s.offsets(ctx, n, kafka.LastOffset)
}

// offsets are those of n partitions at kafka.FirstOffset or kafka.LastOffset.
func (s *Store) offsets(ctx context.Context, n int, which int64) (schema.Position, error) {
	ask := make([]kafka.OffsetRequest, n)
	for i := range ask {
		ask[i] = kafka.OffsetRequest{Partition: i, Timestamp: which}
	}
	res, err := s.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{s.cfg.Topic: ask}})
	if err != nil {
		return nil, away(ctx, fmt.Errorf("list offsets: %w", err))
	}
	at := schema.Position{}
	for _, p := range res.Topics[s.cfg.Topic] {
		if p.Error != nil {
			return nil, away(ctx, fmt.Errorf("list offsets of partition %d: %w", p.Partition, p.Error))
		}
		at[p.Partition] = p.LastOffset
		if which == kafka.FirstOffset {
			at[p.Partition] = p.FirstOffset
		}
	}
	if len(at) != n {
		return nil, away(ctx, fmt.Errorf("list offsets: %d partitions of %d answered", len(at), n))
	}
	return at, nil
}

// settled waits until everything before ends has been stored. A partition without records has nothing to wait for, and
// perhaps no committed offset.
func (s *Store) settled(ctx context.Context, ends schema.Position) error {
	starts, err := s.offsets(ctx, len(ends), kafka.FirstOffset)
	if err != nil {
		return err
	}
	wanted := schema.Position{}
	for partition, end := range ends {
		if end > starts[partition] {
			wanted[partition] = end - 1
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	return s.stored.wait(ctx, wanted)
}

// place is where an entry lies.
type place struct {
	partition int
	offset    int64
	timestamp int64 // Unix ms
}

func (s *Store) locate(ctx context.Context, p schema.Principal, id uint64) (place, error) {
	f, err := tenantFilter(p)
	if err != nil {
		return place{}, err
	}
	c := f.entries(s.floor())
	c.Add("id = {id:UInt64}", "id", id)
	var partition uint16
	var offset uint64
	var timestamp time.Time
	q := statement{"SELECT kpart, koff, timestamp FROM activity" + c.Where() + " LIMIT 1", c.Args}
	switch err := s.one(ctx, f.tenant, q, &partition, &offset, &timestamp); {
	case errors.Is(err, schema.ErrNotFound):
		return place{}, fmt.Errorf("%w: no entry has the id %d", err, id)
	case err != nil:
		return place{}, fmt.Errorf("look up an entry: %w", err)
	}
	return place{int(partition), int64(offset), timestamp.UnixMilli()}, nil
}

// erasure is one request to erase, told to every partition that it concerns by one command.
type erasure struct {
	id      uuid.UUID
	by      schema.Principal
	what    string
	entries uint64 // as counted when it was asked for
	refs    []*activitypb.Ref
	at      time.Time
}

func (s *Store) erasure(p schema.Principal, what string) *erasure {
	return &erasure{id: uuid.New(), by: p, what: what, at: time.Now()}
}

// command is the Kafka value that erases what lies before the offset. Each partition's command has an id of its own, because
// the id is the token of its correction of the rollups.
func (e *erasure) command(partition int, before int64) ([]byte, error) {
	id := uuid.NewSHA1(e.id, strconv.AppendInt(nil, int64(partition), 10))
	return schema.AppendCommand(nil, &activitypb.Command{
		Id: id[:], Tenant: e.by.Tenant, Before: before, Refs: e.refs, IssuedAt: e.at.UnixMilli(), IssuedBy: e.by.Subject,
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

// away is the kind of an error of Kafka before anything was published.
func away(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return fmt.Errorf("%w: kafka: %w", schema.ErrUnavailable, err)
}
