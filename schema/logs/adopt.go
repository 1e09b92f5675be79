package logs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// Numbers that a new log skips to be safe.
const (
	blockStep = 1 << 16 // blocks: collectors may hold some that were leased before
	codeStep  = 1 << 20 // action codes: there are fewer names
)

// unknownLog stands for the log of tables of a version without log identities.
var unknownLog = uuid.Max

// Plan describes what Adopt will do.
type Plan struct {
	Tables    *schemakafka.Log // that the tables belong to; nil if they have recorded none
	Kafka     *schemakafka.Log // that Kafka has
	Why       string           // why they do not belong together
	HighestID uint64           // of the ids that were leased
	Offsets   map[int]int64    // the highest absolute ones that the tables have, by partition
	Same      bool             // the topic of entries is the one that the tables were filled from
	Begun     bool             // an earlier run was interrupted; this one completes it
	CodesOnly bool             // only the topic of action codes was recreated: ids and offsets stay
	Next      schemakafka.Log  // the log of the tables after Adopt

	turn uint64
}

// ErrNothingToAdopt means that the log already belongs to the tables.
var ErrNothingToAdopt = errors.New("nothing to do: the log belongs to the tables")

// Plan says how Adopt makes Kafka's log the log of the tables: leases continue above every id of the tables, and offsets above every
// offset of the tables. The error is ErrNothingToAdopt if the log belongs to the tables already.
func (p *Pair) Plan(ctx context.Context) (*Plan, error) {
	log, err := p.Check(ctx)
	if err == nil {
		return p.codes(ctx, log)
	}
	var refusal *schemakafka.LogError
	if !errors.As(err, &refusal) {
		return nil, err
	}
	state, err := schemakafka.NewLogReader(p.Client, p.Topic).Read(ctx)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Kafka: state.Log, Why: refusal.Why}
	if plan.Tables, plan.turn, err = p.known(ctx); err != nil {
		return nil, err
	}
	if plan.Offsets, err = p.marks(ctx); err != nil {
		return nil, err
	}
	if plan.HighestID, err = p.highestID(ctx); err != nil {
		return nil, err
	}
	if plan.Begun = begun(plan.Tables, state.Log); plan.Begun {
		plan.Next = *state.Log
		return plan, nil
	}
	return plan, p.next(ctx, plan)
}

// codes returns the plan for a log that belongs to the tables. There is something to do only if the topic of action codes was recreated.
func (p *Pair) codes(ctx context.Context, log *schemakafka.Log) (*Plan, error) {
	topic := schemakafka.Actions(p.Topic)
	ids, err := schemakafka.TopicIDs(ctx, p.Client, append(p.watched(), topic)...)
	if err != nil {
		return nil, err
	}
	missing := log.Missing(ids, topic)
	if missing == "" {
		return nil, ErrNothingToAdopt
	}
	if _, there := ids[topic]; !there {
		return nil, noTopic(topic)
	}
	plan := &Plan{Tables: log, Kafka: log, Why: missing + ": codes of action names would be given out twice", Same: true, CodesOnly: true, Next: log.Successor()}
	plan.Next.Topics, plan.Next.Adopts = ids, log.ID
	plan.Next.FirstCode += codeStep
	if plan.Offsets, err = p.marks(ctx); err != nil {
		return nil, err
	}
	if plan.HighestID, err = p.highestID(ctx); err != nil {
		return nil, err
	}
	_, plan.turn, err = p.known(ctx)
	return plan, err
}

func noTopic(name string) error {
	return fmt.Errorf("kafka has no topic %s: create it first, with \"activityctl topics\"", name)
}

// begun reports whether log was written by an Adopt that was interrupted.
func begun(known, log *schemakafka.Log) bool {
	switch {
	case log.After < 0:
		return false
	case known == nil:
		return log.Adopts == unknownLog
	}
	return known.ID != log.ID && known.ID == log.Adopts
}

func (p *Pair) highestID(ctx context.Context) (id uint64, err error) {
	const query = "SELECT max(id) FROM activity WHERE id < ?"
	if err := p.Conn.QueryRow(ctx, query, uint64(schema.FirstForeignID)).Scan(&id); err != nil {
		return 0, fmt.Errorf("look up the highest id: %w", err)
	}
	return id, nil
}

func (p *Pair) next(ctx context.Context, plan *Plan) error {
	ids, err := schemakafka.TopicIDs(ctx, p.Client, append(p.watched(), schemakafka.Actions(p.Topic))...)
	if err != nil {
		return err
	}
	for _, name := range append(p.watched(), schemakafka.Actions(p.Topic)) {
		if _, there := ids[name]; !there {
			return noTopic(name)
		}
	}
	before := plan.Tables // the log that the tables were filled from
	if before == nil {
		before = &schemakafka.Log{ID: unknownLog, Epochs: []schemakafka.Epoch{{}}}
	}
	next := plan.Kafka.Successor()
	next.Topics, next.Adopts = ids, before.ID
	block := max(schema.Block(plan.HighestID), before.FirstBlock, plan.Kafka.FirstBlock)
	next.FirstBlock = (block/blockStep + 2) * blockStep
	if next.FirstBlock >= schema.Block(schema.FirstForeignID) {
		return errors.New("no ids are left above the highest that the tables have")
	}
	next.FirstCode = before.FirstCode
	if actions := schemakafka.Actions(p.Topic); ids[actions] == "" || ids[actions] != before.Topics[actions] {
		next.FirstCode += codeStep
	}
	highest := max(before.Base(), plan.Kafka.Base())
	for _, offset := range plan.Offsets {
		highest = max(highest, offset)
	}
	plan.Same, plan.Next = p.sameEntries(plan, ids), next
	if plan.Same {
		return p.cut(ctx, plan, before, highest)
	}
	base, err := schemakafka.NextBase(highest)
	if err != nil {
		return err
	}
	plan.Next.Origin = next.ID
	plan.Next.Epochs = []schemakafka.Epoch{{Base: base, Fresh: next.FirstBlock}}
	own, err := p.had(ctx, plan.Kafka.ID)
	if !own {
		plan.Next.Foreign = base
	}
	return err
}

// sameEntries reports whether the topic of entries is the one that the tables were filled from.
func (p *Pair) sameEntries(plan *Plan, ids map[string]string) bool {
	if plan.Tables == nil || ids[p.Topic] == "" {
		return false
	}
	return ids[p.Topic] == plan.Tables.Topics[p.Topic]
}

// cut starts a new epoch of the log in every partition, at the first record that the tables do not have.
func (p *Pair) cut(ctx context.Context, plan *Plan, before *schemakafka.Log, highest int64) error {
	partitions, err := schemakafka.Partitions(ctx, p.Client, p.Topic)
	if err != nil {
		return err
	}
	committed, err := p.committed(ctx, partitions)
	if err != nil {
		return err
	}
	from := map[int]int64{}
	for partition := range partitions {
		mark, ok := plan.Offsets[partition]
		if !ok {
			mark = -1
		}
		if from[partition], err = p.Ending(ctx, before, partition, mark, committed[partition]); err != nil {
			return err
		}
	}
	log := *before
	cut, err := log.Cut(from, highest, plan.Next.FirstBlock)
	plan.Next.Epochs, plan.Next.Origin, plan.Next.Foreign = cut.Epochs, before.Origin, before.Foreign
	return err
}

// committed returns, for each partition, Kafka's offset up to which a consumer committed that everything is stored, -1 without a commit.
func (p *Pair) committed(ctx context.Context, partitions int) (map[int]int64, error) {
	all := make([]int, partitions)
	for i := range all {
		all[i] = i
	}
	res, err := p.Client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: schemakafka.Group(p.Topic), Topics: map[string][]int{p.Topic: all}})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) { // from the embedded broker; Kafka says -1 of each partition
		res, err = &kafka.OffsetFetchResponse{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the committed offsets: %w", err)
	}
	committed := map[int]int64{}
	for _, partition := range all {
		committed[partition] = -1
	}
	for _, at := range res.Topics[p.Topic] {
		if at.Error != nil {
			return nil, fmt.Errorf("fetch the committed offset of partition %d: %w", at.Partition, at.Error)
		}
		committed[at.Partition] = at.CommittedOffset
	}
	return committed, nil
}

// Points at which a test may end Adopt as a crash would.
const (
	AfterTopic = "after the topic"
	AfterTable = "after the table"
)

// Adopt carries out plan. If it is interrupted at any point, another run completes it with the same result. Only tests set at.
func (p *Pair) Adopt(ctx context.Context, plan *Plan, at func(point string) error) error {
	if at == nil {
		at = func(string) error { return nil }
	}
	if !plan.Begun {
		if _, err := schemakafka.AppendLog(ctx, p.Client, p.Topic, plan.Next); err != nil {
			return err
		}
	}
	if err := at(AfterTopic); err != nil {
		return err
	}
	if err := p.keep(ctx, &plan.Next, plan.turn+1); err != nil {
		return err
	}
	if err := at(AfterTable); err != nil {
		return err
	}
	return schemakafka.ConfirmLog(ctx, p.Client, p.Topic, plan.Next.ID)
}

// Partitions returns the partitions of the plan, in order.
func (p *Plan) Partitions() []int { return slices.Sorted(maps.Keys(p.Offsets)) }
