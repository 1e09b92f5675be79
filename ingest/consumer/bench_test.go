package consumer

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/ingest/consumer/internal/early"
	"github.com/activitylog/activitylog/ingest/consumer/internal/repeat"
	"github.com/activitylog/activitylog/schema"
)

// workload writes packed records of entries of ~198 bytes of NDJSON each: platform of 8, action of 20, devices and accounts by
// Zipf, times in order over 30 days with 2 s of jitter, details on three in ten.
type workload struct {
	r             *rand.Rand
	device, user  *rand.Zipf
	id            uint64
	time, step    int64
	chunk         schema.Chunk
	platforms     [8]string
	actions       [20]string
	devices, name []string
}

func newWorkload(total int) *workload {
	r := rand.New(rand.NewPCG(42, 0))
	w := &workload{
		r: r, device: rand.NewZipf(r, 1.1, 10, 9_999), user: rand.NewZipf(r, 1.1, 10, 49_999), id: schema.IDBlock,
		time: 1_780_000_000_000, step: 30 * dayMillis / int64(total),
	}
	for i := range w.platforms {
		w.platforms[i] = fmt.Sprintf("platform-%d", i)
	}
	for i := range w.actions {
		w.actions[i] = fmt.Sprintf("ACTION_%d_DONE", i)
	}
	for i := range 10_000 {
		w.devices = append(w.devices, fmt.Sprintf("SN-%08d", i*7919))
	}
	for i := range 50_000 {
		w.name = append(w.name, fmt.Sprintf("user.%d@example.com", i))
	}
	return w
}

// value returns a record of n entries.
func (w *workload) value(n int) []byte {
	w.chunk.Reset("default", time.Now().UnixMilli())
	for range n {
		w.time += w.step
		e := schema.Entry{
			Timestamp: w.time + w.r.Int64N(4000) - 2000, Platform: w.platforms[w.r.IntN(8)], Action: w.actions[w.r.IntN(20)],
			Device: w.devices[w.device.Uint64()], ActorName: w.name[w.user.Uint64()],
			Detail: fmt.Sprintf("Performed step %d of %d", w.r.IntN(100), w.r.IntN(1000)),
		}
		if w.r.IntN(10) < 3 {
			e.Details = fmt.Sprintf(`{"ip":"10.0.%d.%d","size":%d}`, w.r.IntN(256), w.r.IntN(256), w.r.IntN(100000))
		}
		w.chunk.Add(&e, nil)
	}
	w.chunk.Seal(w.id)
	w.id += uint64(n)
	return schema.AppendChunk(schema.AppendRecordHeader(nil), &w.chunk)
}

// BenchmarkAssemble measures decoding, the columns and the rollups, for each entry.
func BenchmarkAssemble(b *testing.B) {
	const perRecord, rows = 500, 250_000
	w := newWorkload(10_000_000)
	bt := newBatch(0)
	for i := range rows / perRecord {
		value := w.value(perRecord)
		bt.add(record{offset: int64(i), at: time.Now().UnixMilli(), value: value}, inspect(value))
	}
	var a assembly
	keys := repeat.Keys{}
	b.ReportAllocs()
	a.reset(0, &repeat.Blocks{}, keys.Batch(), nil, &early.Lookup{})
	a.add(bt)
	before := cpu()
	for b.Loop() {
		a.reset(0, &repeat.Blocks{}, keys.Batch(), nil, &early.Lookup{})
		a.add(bt)
		if a.entries.Rows() != rows {
			b.Fatalf("got %d rows, want %d: %v", a.entries.Rows(), rows, a.dead)
		}
		a.entities.Blocks(0, bt.last, 0)
		a.kinds.Blocks(0, bt.last)
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/rows, "cpu-ns/entry")
}

// BenchmarkPipeline stores a topic that has been filled before. CPU is that of the whole process: the broker and the engine too.
func BenchmarkPipeline(b *testing.B) {
	const perRecord, records, partitions = 500, 4000, 4
	bd := newBed(b, partitions)
	w := newWorkload(perRecord * records)
	for i := 0; i < records; i += 8 {
		var rs []kafka.Record
		for range 8 {
			rs = append(rs, kafka.Record{Value: kafka.NewBytes(w.value(perRecord))})
		}
		res, err := bd.client.Produce(b.Context(), &kafka.ProduceRequest{
			Topic: bd.broker.Topic(), Partition: i / 8 % partitions, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(rs...),
		})
		if err != nil || res.Error != nil {
			b.Fatal(err, res)
		}
	}
	runtime.GC()
	before := cpu()
	b.ResetTimer()
	peak, stop := peakMemory()
	c, _ := bd.consumer()
	bd.drain()
	b.StopTimer()
	stop()
	b.ReportMetric(float64(*peak)/1e6, "peak-MB")
	var batches dto.Metric
	_ = c.metrics.rows.Write(&batches)
	b.ReportMetric(batches.GetHistogram().GetSampleSum()/float64(batches.GetHistogram().GetSampleCount()), "entries/batch")
	const total = perRecord * records
	b.ReportMetric(total/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/total, "cpu-ns/entry")
	n, err := numbers(b.Context(), bd.conn, 2, "SELECT toInt64(count()), toInt64(uniqExact(id)) FROM activity")
	if err != nil || n[0] != total || n[1] != total {
		b.Errorf("got %v, %v, want %d twice", n, err, total)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDeletesInABacklog stores a topic of writes of a hundred entries, each followed by a delete of one of them.
func BenchmarkDeletesInABacklog(b *testing.B) {
	const deletes = 100
	bd := newBed(b, 1)
	for range deletes {
		ids, _ := bd.send(0, "default", 100)
		bd.erase(0, "default", ids[7])
	}
	b.ResetTimer()
	bd.consumer()
	bd.drain()
	b.StopTimer()
	b.ReportMetric(deletes/b.Elapsed().Seconds(), "deletes/s")
	b.ReportMetric(0, "ns/op")
	bd.check()
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// peakMemory samples what Go has of the system, without the engine's own, until stop.
func peakMemory() (peak *uint64, stop func()) {
	peak = new(uint64)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			*peak = max(*peak, m.Sys-m.HeapReleased)
			select {
			case <-end:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return peak, func() { close(end); <-ended }
}
