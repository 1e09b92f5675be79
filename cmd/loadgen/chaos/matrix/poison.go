package matrix

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/schema/activitypb"
)

// poison is records that no consumer can store.
func poison() (values [][]byte, err error) {
	values = [][]byte{
		[]byte("\xff\xff\xff"),     // no protobuf
		{8, 99},                    // a version of the future
		[]byte(`{"action":`),       // JSON that breaks off
		[]byte("\x00\x00\x00\x00"), // nothing at all
	}
	for _, change := range []func(*activitypb.Entry){
		func(e *activitypb.Entry) { e.Timestamp = 0 },
		func(e *activitypb.Entry) { e.Timestamp = -2_240_524_800_000 }, // 1899
		func(e *activitypb.Entry) { e.Timestamp = 13_569_465_600_000 }, // 2400
		func(e *activitypb.Entry) { e.Timestamp = -1 << 63 },
		func(e *activitypb.Entry) { e.Action = "" },
		func(e *activitypb.Entry) { e.Device = "\xff" },
		func(e *activitypb.Entry) { e.Detail = "a\x00b" },
		func(e *activitypb.Entry) { e.Detail = strings.Repeat("x", 900<<10) },
		func(e *activitypb.Entry) { e.Details = []byte(`{"a":`) },
	} {
		e := &activitypb.Entry{Timestamp: 1, Action: "poison"}
		change(e)
		m := &activitypb.ActivityBatch{Version: 1, Chunks: []*activitypb.Chunk{{
			FirstId: 1 << 50, ReceivedAt: time.Now().UnixMilli(), Tenant: "default", Entries: []*activitypb.Entry{e},
		}}}
		value, err := m.MarshalVT()
		if err != nil {
			return nil, fmt.Errorf("make poison: %w", err)
		}
		values = append(values, value)
	}
	return values, nil
}

// poisoned writes what cannot be stored among what can, into every partition, and kills consumers over it.
func poisoned(ctx context.Context, t *trial) error {
	values, err := poison()
	if err != nil {
		return err
	}
	err = t.play(ctx, t.base(), chaos.Script{Strike: func(ctx context.Context, r *chaos.Run, seed uint64) {
		f := r.NewInjector(seed)
		l, err := openLog(ctx, r)
		if err != nil {
			r.Violation("%v", err)
			return
		}
		defer l.close()
		for n := 0; ctx.Err() == nil; n++ {
			value := values[n%len(values)]
			res, err := l.client.Produce(context.WithoutCancel(ctx), &kafka.ProduceRequest{
				Topic: topic, Partition: f.Rand.IntN(len(l.partitions)), RequiredAcks: kafka.RequireAll,
				Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value)}),
			})
			if err == nil {
				err = res.Error
			}
			if err != nil {
				r.Violation("produce poison: %v", err)
				return
			}
			r.Struck("poison")
			r.Poison++
			chaos.Sleep(ctx, time.Duration(f.Rand.Int64N(int64(200*time.Millisecond))))
			if n%20 == 19 {
				killAndWait(ctx, f, f.Any(chaos.Consumer1, chaos.Consumer2))
			}
		}
	}})
	if err == nil {
		t.figure("dead letters", "%d of %d records", t.rep.Report.Tables.Dead, t.rep.Report.Counts["poison"])
	}
	return err
}
