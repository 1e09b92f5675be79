package matrix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// topic is the topic of the entries in every run.
const topic = "activity"

// log accesses Kafka like an operator.
type log struct {
	client     *kafka.Client
	close      func()
	partitions []int
}

func openLog(ctx context.Context, r *chaos.Run) (*log, error) {
	transport := &kafka.Transport{MetadataTTL: time.Second}
	l := &log{close: transport.CloseIdleConnections}
	l.client = &kafka.Client{Addr: kafka.TCP(strings.Split(r.Cluster.Kafka, ",")...), Timeout: 5 * time.Second, Transport: transport}
	n, err := schemakafka.Partitions(ctx, l.client, topic)
	for i := range n {
		l.partitions = append(l.partitions, i)
	}
	return l, err
}

// bounds returns the first offset and the end of each partition.
func (l *log) bounds(ctx context.Context) (start, end map[int]int64, err error) {
	var ask []kafka.OffsetRequest
	for _, p := range l.partitions {
		ask = append(ask, kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
	}
	res, err := l.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: ask}})
	if err != nil {
		return nil, nil, fmt.Errorf("look up the log's bounds: %w", err)
	}
	start, end = map[int]int64{}, map[int]int64{}
	for _, p := range res.Topics[topic] {
		start[p.Partition], end[p.Partition] = p.FirstOffset, p.LastOffset
		err = errors.Join(err, p.Error)
	}
	return start, end, err
}

// move commits an offset of the group for each partition, or deletes the offsets if there are none. Kafka allows that only while the
// group has no members.
func (l *log) move(ctx context.Context, to map[int]int64) error {
	for {
		err := l.tryMove(ctx, to)
		if err == nil || ctx.Err() != nil {
			return err
		}
		chaos.Sleep(ctx, 200*time.Millisecond)
	}
}

func (l *log) tryMove(ctx context.Context, to map[int]int64) error {
	if len(to) == 0 {
		res, err := l.client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: schemakafka.Group(topic), Topics: map[string][]int{topic: l.partitions}})
		if err != nil {
			return fmt.Errorf("delete offsets: %w", err)
		}
		for _, p := range res.Topics[topic] {
			err = errors.Join(err, p.Error)
		}
		return errors.Join(err, res.Error)
	}
	var commits []kafka.OffsetCommit
	for p, offset := range to {
		commits = append(commits, kafka.OffsetCommit{Partition: p, Offset: offset})
	}
	res, err := l.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: schemakafka.Group(topic), GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: commits}})
	if err != nil {
		return fmt.Errorf("move offsets: %w", err)
	}
	for _, p := range res.Topics[topic] {
		err = errors.Join(err, p.Error)
	}
	return err
}

// awaitSane waits until the committed offsets are within the log. Before that they do not show what is stored.
func (l *log) awaitSane(ctx context.Context) error {
	for ; ; chaos.Sleep(ctx, 50*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for sane offsets: %w", err)
		}
		_, end, err := l.bounds(ctx)
		if err != nil {
			continue
		}
		res, err := l.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: schemakafka.Group(topic), Topics: map[string][]int{topic: l.partitions}})
		if err != nil || res.Error != nil {
			continue
		}
		sane := len(res.Topics[topic]) == len(l.partitions)
		for _, p := range res.Topics[topic] {
			sane = sane && p.CommittedOffset >= 0 && p.CommittedOffset <= end[p.Partition]
		}
		if sane {
			return nil
		}
	}
}

// offsetsMoved moves the committed offsets again and again during writes.
func offsetsMoved(ctx context.Context, t *trial) error {
	alarms, recovered := 0.0, 0.0
	err := t.play(ctx, t.quiet(), chaos.Script{Strike: func(ctx context.Context, r *chaos.Run, _ uint64) {
		for n := 0; ctx.Err() == nil || n < len(moves); n++ {
			chaos.Sleep(ctx, 2*time.Second)
			a, rec, err := moveOffsets(context.WithoutCancel(ctx), r, moves[n%len(moves)])
			if err != nil {
				r.Violation("%v", err)
				return
			}
			alarms, recovered = alarms+a, recovered+rec
		}
	}})
	if alarms == 0 {
		t.fail("no consumer raised the alarm beyond_end")
	}
	t.figure("alarms", "%.0f", alarms)
	t.figure("entries read again and skipped", "%.0f", recovered)
	return err
}

// move says where to move committed offsets.
type move struct {
	name string
	to   func(start, end int64) (int64, bool)
}

var moves = []move{
	{"deleted", func(int64, int64) (int64, bool) { return 0, false }},
	{"moved back", func(start, end int64) (int64, bool) { return (start + end) / 2, true }},
	{"moved beyond the end", func(_, end int64) (int64, bool) { return end + 1_000_000, true }},
}

func moveOffsets(ctx context.Context, r *chaos.Run, m move) (alarms, recovered float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, chaos.DrainTimeout)
	defer cancel()
	l, err := openLog(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	defer l.close()
	r.Cluster.Process(chaos.Consumer1).Kill()
	r.Cluster.Process(chaos.Consumer2).Kill()
	start, end, err := l.bounds(ctx)
	if err != nil {
		return 0, 0, err
	}
	to := map[int]int64{}
	for p := range end {
		if offset, ok := m.to(start[p], end[p]); ok {
			to[p] = offset
		}
	}
	if err := l.move(ctx, to); err != nil {
		return 0, 0, err
	}
	r.Struck("offsets " + m.name)
	if err := r.Cluster.Start(ctx, chaos.Consumer1, chaos.Consumer2); err != nil {
		return 0, 0, err
	}
	if err := errors.Join(l.awaitSane(ctx), r.Drain(ctx)); err != nil {
		return 0, 0, err
	}
	alarms, err = r.Cluster.Sum(ctx, `activity_consumer_alarms_total{kind="beyond_end"}`, chaos.Consumer1, chaos.Consumer2)
	if err != nil {
		return 0, 0, err
	}
	recovered, err = r.Cluster.Sum(ctx, `activity_consumer_entries_total{outcome="recovered"}`, chaos.Consumer1, chaos.Consumer2)
	return alarms, recovered, err
}

// logCut stores everything, cuts the end off the log of the broker, like a disk that lost synced data, and writes again: new records
// reuse offsets of stored entries.
func logCut(ctx context.Context, t *trial) error {
	if t.Nodes.Script != "" {
		return checkedBy("./ingest/consumer", "TestReusedOffsetsStoreEveryNewEntry")(ctx, t)
	}
	cfg := t.quiet()
	cfg.Duration /= 2
	var before, after int64
	err := t.play(ctx, cfg, chaos.Script{Finish: func(ctx context.Context, r *chaos.Run) error {
		for range 2 {
			if err := r.Recover(ctx); err != nil {
				return err
			}
			if err := errors.Join(r.Drain(ctx), r.AwaitQuiet(ctx)); err != nil {
				return err
			}
			n, end, err := cutLog(ctx, r)
			if err != nil {
				return err
			}
			before, after = n, end
			r.UnderLoad(ctx, func(ctx context.Context, _ uint64) { chaos.Sleep(ctx, cfg.Duration) })
		}
		return ctx.Err()
	}})
	t.figure("end of a partition", "%d, after the cut %d", before, after)
	return err
}

func cutLog(ctx context.Context, r *chaos.Run) (before, after int64, err error) {
	l, err := openLog(ctx, r)
	if err != nil {
		return 0, 0, err
	}
	defer l.close()
	_, end, err := l.bounds(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, name := range []string{chaos.Collector, chaos.Consumer1, chaos.Consumer2, chaos.Query, chaos.Broker} {
		r.Cluster.Process(name).Kill()
	}
	for _, p := range l.partitions {
		if err := halve(filepath.Join(r.Cluster.Folder(chaos.Broker, "kafka"), "broker", "log", "partitions", topic+"-"+strconv.Itoa(p))); err != nil {
			return 0, 0, err
		}
		r.Struck("log cut")
	}
	r.ForgetPosition() // its offsets are no longer in the log
	if err := r.Cluster.Start(ctx, chaos.Broker, chaos.Collector, chaos.Consumer1, chaos.Consumer2, chaos.Query); err != nil {
		return 0, 0, err
	}
	for ; ; chaos.Sleep(ctx, 50*time.Millisecond) { // its connections are to the old process of the broker
		if _, now, err := l.bounds(ctx); err == nil || ctx.Err() != nil {
			return end[0], now[0], err
		}
	}
}

// halve truncates the last file of the log of a partition to half its size.
func halve(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("cut the log in %s: %d files: %w", dir, len(files), err)
	}
	last := files[len(files)-1] // names are numbers of equal length
	info, err := os.Stat(last)
	if err != nil {
		return fmt.Errorf("cut the log: %w", err)
	}
	return os.Truncate(last, info.Size()/2)
}
