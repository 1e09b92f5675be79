package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/cmd/loadgen/chaos"
	"github.com/activitylog/activitylog/cmd/loadgen/client"
	"github.com/activitylog/activitylog/cmd/loadgen/load"
	"github.com/activitylog/activitylog/cmd/loadgen/workload"
	"github.com/activitylog/activitylog/schema"
	topics "github.com/activitylog/activitylog/schema/kafka"
)

// Figures that ratios use.
const (
	noOpSingles = "handler that does nothing, 64 connections"
	insertRate  = "insert of encoded blocks of 250,000 rows"
)

// limits measures the upper limits of machine and libraries: no-op handlers, the broker without the collector, the engine without the
// consumer.
func (b *bench) limits(ctx context.Context) error {
	if err := b.noOps(ctx); err != nil {
		return err
	}
	dir := filepath.Join(b.Dir, "limits")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	c, err := chaos.NewCluster(ctx, dir, b.Bin, chaos.Plan{})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer c.Close()
	if err := c.Start(ctx, chaos.Broker, chaos.Engine); err != nil {
		return err
	}
	if err := b.rawProduce(ctx, c); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := b.rawInsert(ctx, c); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

// noOps sends the workload to a server that only answers.
func (b *bench) noOps(ctx context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r := chi.NewRouter()
	r.Post(client.Path, func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for lines := bufio.NewReaderSize(r.Body, 64<<10); ; n++ {
			if _, err := lines.ReadSlice('\n'); err != nil {
				break
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if n <= 1 {
			_, _ = io.WriteString(w, `{"code":0,"message":"success","data":{"id":1}}`)
			return
		}
		fmt.Fprintf(w, `{"code":0,"message":"success","data":{"ids":[],"accepted":%d}}`, n)
	})
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	defer func() { _ = server.Close(); <-ended }()
	url, source := "http://"+listener.Addr().String(), b.source(1_000_000)
	singles, err := load.Run(ctx, load.Config{URL: url, Connections: singleConnections, Batch: 1, Duration: b.Time / 3}, source, nil, nil)
	if err != nil {
		return err
	}
	b.add(Figure{What: noOpSingles, Unit: "%.1fk/s", Note: "a process with its client"}, singles.Rate/1e3)
	b.add(Figure{What: noOpSingles + ", p99", Unit: "%.1f ms"}, ms(singles.Latency.P99))
	batches, err := load.Run(ctx, load.Config{URL: url, Connections: connections, Batch: batch, Duration: b.Time / 3}, source, nil, nil)
	if err != nil {
		return err
	}
	b.add(Figure{What: "handler that counts lines, NDJSON × 1000", Unit: "%.2f M/s", Note: "a process with its client"}, batches.Rate/1e6)
	return nil
}

// rawProduce sends packed records to every partition with one batch in flight each, like the collector.
func (b *bench) rawProduce(ctx context.Context, c *chaos.Cluster) error {
	const partitions, rounds, records = 4, 250, 4
	transport := &kafka.Transport{MetadataTTL: time.Second, DialTimeout: time.Second}
	defer transport.CloseIdleConnections()
	kc := &kafka.Client{Addr: kafka.TCP(c.Kafka), Transport: transport}
	if err := topics.Create(ctx, kc, []topics.Spec{{Name: "limits", Partitions: partitions, Retention: time.Hour}}); err != nil {
		return err
	}
	value, entries := packed(b.source(schema.MaxRecordEntries))
	before, begun := c.Process(chaos.Broker).Usage().CPU, time.Now()
	errs := make([]error, partitions)
	var all sync.WaitGroup
	for p := range partitions {
		all.Go(func() {
			for range rounds {
				if errs[p] = produce(ctx, kc, p, value, records); errs[p] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	n := float64(partitions * rounds * records * entries)
	note := fmt.Sprintf("%d partitions, %d × %d entries a batch", partitions, records, entries)
	b.add(Figure{What: "Client.Produce of packed records, acks=all, fsync", Unit: "%.2f M/s", Note: note}, n/time.Since(begun).Seconds()/1e6)
	b.add(Figure{What: "the same, CPU of the broker an entry", Unit: "%.2f µs"}, (c.Process(chaos.Broker).Usage().CPU-before).Seconds()*1e6/n)
	return nil
}

func produce(ctx context.Context, kc *kafka.Client, partition int, value []byte, records int) error {
	batch := make([]kafka.Record, records)
	for i := range batch {
		batch[i].Value = kafka.NewBytes(value)
	}
	res, err := kc.Produce(ctx, &kafka.ProduceRequest{Topic: "limits", Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(batch...)})
	if err == nil {
		err = res.Error
	}
	return err
}

// packed returns a full record of the first entries of the workload.
func packed(s *workload.Source) (value []byte, entries int) {
	var chunk schema.Chunk
	chunk.Reset(schema.DefaultTenant, s.Start)
	for i := range schema.MaxRecordEntries {
		e, err := s.Entry(i)
		if err != nil {
			break
		}
		chunk.Add(&schema.Entry{
			Timestamp: e.Timestamp, Action: e.Action, Platform: e.Platform, Device: e.Serial, ActorName: e.Username,
			Detail: e.Detail, Details: string(e.Details),
		}, nil)
	}
	chunk.Seal(1)
	return schema.AppendChunk(schema.AppendRecordHeader(nil), &chunk), chunk.Len()
}

// rawInsert inserts encoded blocks into a table like activity.
func (b *bench) rawInsert(ctx context.Context, c *chaos.Cluster) error {
	const rows, rounds = 250_000, 8
	if err := c.Store.Exec(ctx, `CREATE TABLE limits_insert AS activity`, nil); err != nil {
		return err
	}
	var block bytes.Buffer
	if err := c.Store.Dump(ctx, syntheticBlock(b.source(rows), rows), &block); err != nil {
		return err
	}
	before, begun := c.Process(chaos.Engine).Usage().CPU, time.Now()
	for i := range rounds { // ClickHouse would drop an identical block as a replay
		sql := fmt.Sprintf(`INSERT INTO limits_insert SETTINGS insert_deduplication_token = 'limits-%d' FORMAT Native`, i)
		if err := c.Store.Exec(ctx, sql, bytes.NewReader(block.Bytes())); err != nil {
			return err
		}
	}
	elapsed := time.Since(begun)
	got, err := c.Store.Numbers(ctx, `SELECT count() FROM limits_insert`)
	if err != nil {
		return err
	}
	if got[0] != rows*rounds {
		return fmt.Errorf("%d rows stored, want %d", got[0], rows*rounds)
	}
	b.add(Figure{What: insertRate, Unit: "%.0fk/s", Note: "fsync"}, float64(got[0])/elapsed.Seconds()/1e3)
	if err := b.awaitQuiet(ctx, c.Store, func() time.Duration { return c.Process(chaos.Engine).Usage().CPU }); err != nil {
		return err
	}
	b.add(Figure{What: "the same, CPU of the engine a row", Unit: "%.2f µs", Note: "merges counted"}, (c.Process(chaos.Engine).Usage().CPU-before).Seconds()*1e6/float64(got[0]))
	return nil
}

// syntheticBlock selects rows like those of the workload, in one block.
func syntheticBlock(s *workload.Source, rows int) string {
	return fmt.Sprintf(`SELECT 'default'::LowCardinality(String) AS tenant, fromUnixTimestamp64Milli(toInt64(%d + number * 10), 'UTC') AS timestamp, toUInt64(number) AS id,
		fromUnixTimestamp64Milli(toInt64(%d + intDiv(number, 500)), 'UTC') AS received_at,
		arrayElement(['post','follow','unfollow','comment','like'], 1 + cityHash64(number) %% 5)::LowCardinality(String) AS action,
		arrayElement(['tiktok','instagram','x','facebook'], 1 + cityHash64(number, 1) %% 4)::LowCardinality(String) AS platform,
		concat('SN-', toString(1000000 + cityHash64(number, 2) %% 10000)) AS device, '' AS actor_id, concat('user_', toString(10000 + cityHash64(number, 3) %% 50000)) AS actor_name,
		[]::Array(String) AS targets, '' AS request_id, concat('Published video #', toString(10000000 + cityHash64(number, 4) %% 90000000), ' after 2 retries') AS detail,
		if(number %% 10 < 3, concat('{"ip":"10.', toString(number %% 256), '.7.7","duration_ms":', toString(cityHash64(number, 5) %% 90000), ',"success":true}'), '') AS details, '' AS extra,
		toUInt16(0) AS kpart, toUInt64(intDiv(number, 500)) AS koff, toUInt16(number %% 500) AS kidx
		FROM numbers(%d) SETTINGS max_block_size = %d FORMAT Native`, s.Start, time.Now().UnixMilli(), rows, rows)
}
