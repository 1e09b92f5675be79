package publish

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/activitylog/activitylog/schema"
	schemakafka "github.com/activitylog/activitylog/schema/kafka"
)

// maxBatchBytes keeps a batch below the brokers' default message.max.bytes of 1,048,588.
const maxBatchBytes = 900_000

// batch is the content of one produce request: chunks packed into records. Its bytes, times included, do not change
// between tries. If the log gets a batch twice, both copies have the same ids, and the consumer drops one.
type batch struct {
	source  *schemakafka.Log // that it is for
	chunks  []*chunk
	buf     []byte
	ends    []int // of each record in buf
	at      time.Time
	entries int
	offsets []int64 // of each record, once its outcome is known
	errs    []error
}

// assign gives every chunk its ids, in the order of the queue. It returns an error while no log may be written to.
func (b *batch) assign(ctx context.Context, s *source, ids *ids) (err error) {
	b.entries = 0
	if b.source, err = s.current(); err != nil {
		return err
	}
	for _, c := range b.chunks {
		id, err := ids.take(ctx, c.Len())
		if err != nil {
			return err
		}
		c.firstID = id
		c.Seal(id)
		b.entries += c.Len()
	}
	return nil
}

// pack puts the chunks into as few records as schema.MaxRecordEntries and schema.MaxRecordBytes allow.
func (b *batch) pack(now time.Time) {
	b.buf, b.ends, b.at = b.buf[:0], b.ends[:0], now
	start, entries := 0, 0
	for i, c := range b.chunks {
		full := entries+c.Len() > schema.MaxRecordEntries || len(b.buf)-start+c.Size() > schema.MaxRecordBytes
		if i > 0 && full {
			b.ends = append(b.ends, len(b.buf))
		}
		if i == 0 || full {
			start, entries = len(b.buf), 0
			b.buf = schema.AppendRecordHeader(b.buf)
		}
		b.buf = schema.AppendChunk(b.buf, &c.Chunk)
		entries += c.Len()
		c.record = len(b.ends)
	}
	b.ends = append(b.ends, len(b.buf))
	b.offsets = append(b.offsets[:0], make([]int64, len(b.ends))...)
	b.errs = append(b.errs[:0], make([]error, len(b.ends))...)
}

// records returns a reader of the records [first, end); each try needs a reader of its own.
func (b *batch) records(first, end int) kafka.RecordReader {
	records := make([]kafka.Record, 0, end-first)
	for i := first; i < end; i++ {
		start := 0
		if i > 0 {
			start = b.ends[i-1]
		}
		records = append(records, kafka.Record{Time: b.at, Value: kafka.NewBytes(b.buf[start:b.ends[i]])})
	}
	return kafka.NewRecordReader(records...)
}

// set stores the outcome of the records [first, end).
func (b *batch) set(first, end int, base int64, err error) {
	for i := first; i < end; i++ {
		b.offsets[i], b.errs[i] = base+int64(i-first), err
	}
}
