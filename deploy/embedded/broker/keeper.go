package broker

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/activitylog/activitylog/deploy/embedded/folder"
)

const (
	checkEvery = 500 * time.Millisecond
	trimEvery  = 60 * time.Second
)

// keeper limits the disk space of the logs, instead of kfake, for two reasons. First, only the last file of a partition shows where its log
// ends: if kfake dropped that file because of its age, the offsets would begin at 0 again after a crash. The keeper never drops the last
// file of a partition. Second, kfake drops old or excess records even if nobody has read them. The keeper drops only records that every
// consumer group of the partition has committed; if that is not enough, new records are refused. The group of nudges reads nothing and
// does not count.
type keeper struct {
	b    *Broker
	dir  string
	keep int64       // bytes of committed records that may stay: KeepBytes, or 0 while the disk is full
	full atomic.Bool // the logs are larger than MaxBytes
}

func newKeeper(b *Broker, dir string) *keeper { return &keeper{b: b, dir: dir, keep: b.cfg.KeepBytes} }

// watch answers every produce request with KAFKA_STORAGE_ERROR while there is no space. It checks the disk at each request (2 µs):
// at 60 MB/s, checks twice a second came too late for a reserve of 3 MB.
func (k *keeper) watch() {
	k.b.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.KafkaStorageError, Count: -1,
		When: func(kmsg.Request) bool { return k.full.Load() || k.diskFull() != nil },
	})
}

// diskFull returns an error if the disk has less free space than the reserve, or if its free space is unknown.
func (k *keeper) diskFull() error {
	free, total, err := k.b.cfg.diskSpace(k.dir)
	if err != nil {
		return err
	}
	k.b.metrics.freeBytes.Set(float64(free))
	return folder.CheckReserve(free, total, k.b.cfg.ReserveBytes)
}

func (k *keeper) run(ctx context.Context) {
	check, trim := time.NewTicker(checkEvery), time.NewTicker(trimEvery)
	defer check.Stop()
	defer trim.Stop()
	for {
		var trimNow bool
		select {
		case <-ctx.Done():
			return
		case <-check.C:
			trimNow = k.checkSpace()
		case <-trim.C:
			trimNow = true
		}
		if !trimNow {
			continue
		}
		if err := k.trim(ctx); err != nil && ctx.Err() == nil {
			k.b.cfg.Log.Warn("embedded broker failed to trim its logs", "error", err)
		}
	}
}

// checkSpace decides whether records are accepted. It reports whether the logs are so large that they must be trimmed now.
func (k *keeper) checkSpace() (trimNow bool) {
	segments, err := listSegments(k.dir)
	if err != nil {
		k.report(err)
		return false
	}
	size := k.measure(segments)
	k.keep = k.b.cfg.KeepBytes
	k.full.Store(size > k.b.cfg.MaxBytes)
	why := k.diskFull()
	switch {
	case why != nil:
		k.keep = 0
	case k.full.Load():
		why = fmt.Errorf("logs are full: %d MB, most of which no consumer has read yet", size/1e6)
	}
	k.report(why)
	return size > k.keep+k.b.cfg.SegmentBytes
}

func (k *keeper) measure(segments []segment) (size int64) {
	byTopic := map[string]int64{}
	for _, s := range segments {
		byTopic[s.topic] += s.bytes
		size += s.bytes
	}
	for topic, n := range byTopic {
		k.b.metrics.logBytes.WithLabelValues(topic).Set(float64(n))
	}
	return size
}

// report publishes why records are refused, or that they are accepted if why is nil.
func (k *keeper) report(why error) {
	before := k.b.refusing.Load()
	if why == nil {
		k.b.refusing.Store(nil)
		k.b.metrics.refusing.Set(0)
		if before != nil {
			k.b.cfg.Log.Info("embedded broker accepts records again")
		}
		return
	}
	k.b.refusing.Store(&why)
	k.b.metrics.refusing.Set(1)
	if before == nil {
		k.b.cfg.Log.Error("embedded broker refuses records", "error", why)
	}
}

// segment is a file of a partition's log.
type segment struct {
	path      string
	topic     string
	partition int32
	base      int64 // offset of its first record
	end       int64 // offset of the next file's first record; -1 for the last file of its partition
	bytes     int64
	written   time.Time // time of the last write
}

// listSegments returns the log files of all partitions. kfake names them partitions/<topic>-<n>/<base>.dat.
func listSegments(dir string) ([]segment, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "partitions", "*", "*.dat"))
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	var all []segment
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			continue // dropped in the meantime
		}
		s, ok := segmentOf(path)
		if !ok {
			continue
		}
		s.bytes, s.written = info.Size(), info.ModTime()
		all = append(all, s)
	}
	linkEnds(all)
	return all, nil
}

func segmentOf(path string) (segment, bool) {
	folder := filepath.Base(filepath.Dir(path))
	i := strings.LastIndexByte(folder, '-')
	if i < 0 {
		return segment{}, false
	}
	topic, err1 := url.PathUnescape(folder[:i])
	partition, err2 := strconv.ParseInt(folder[i+1:], 10, 32)
	base, err3 := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".dat"), 10, 64)
	return segment{path: path, topic: topic, partition: int32(partition), base: base, end: -1}, err1 == nil && err2 == nil && err3 == nil
}

func linkEnds(all []segment) {
	slices.SortFunc(all, func(a, b segment) int {
		if c := strings.Compare(a.topic, b.topic); c != 0 {
			return c
		}
		if a.partition != b.partition {
			return int(a.partition - b.partition)
		}
		return int(min(max(a.base-b.base, -1), 1))
	})
	for i := range all[:max(len(all)-1, 0)] {
		if next := all[i+1]; next.topic == all[i].topic && next.partition == all[i].partition {
			all[i].end = next.base
		}
	}
}

// trim drops the oldest files that are older than their topic's retention, or exceed KeepBytes in total.
func (k *keeper) trim(ctx context.Context) error {
	segments, err := listSegments(k.dir)
	if err != nil {
		return err
	}
	var size int64
	for _, s := range segments {
		size += s.bytes
	}
	sealed := slices.DeleteFunc(segments, func(s segment) bool { return s.end < 0 })
	if len(sealed) == 0 {
		return nil
	}
	client, err := k.client()
	if err != nil {
		return err
	}
	defer client.Close()
	rules, err := k.rules(ctx, client)
	if err != nil {
		return err
	}
	slices.SortFunc(sealed, func(a, b segment) int { return a.written.Compare(b.written) })
	for _, s := range sealed {
		tooMuch := size > k.keep
		if !rules.allow(s, tooMuch, time.Now()) {
			continue
		}
		if err := drop(ctx, client, s); err != nil {
			return err
		}
		size -= s.bytes
		k.b.metrics.trimmed.Add(float64(s.bytes))
	}
	return nil
}

func (k *keeper) client() (*kgo.Client, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(k.b.Addr())}
	if !k.b.cfg.NoPassword {
		opts = append(opts, kgo.SASL(plain.Auth{User: User, Pass: k.b.password}.AsMechanism()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to own broker: %w", err)
	}
	return client, nil
}

// drop moves the start of the log to the end of s.
func drop(ctx context.Context, client *kgo.Client, s segment) error {
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Partition, partition.Offset = s.partition, s.end
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic, topic.Partitions = s.topic, []kmsg.DeleteRecordsRequestTopicPartition{partition}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = []kmsg.DeleteRecordsRequestTopic{topic}
	res, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("drop %s-%d below %d: %w", s.topic, s.partition, s.end, err)
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("drop %s-%d below %d: %w", s.topic, s.partition, s.end, err)
			}
		}
	}
	return nil
}
