package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// page is what one fetch gave.
type page struct {
	records []record
	end     int64 // the log's end as the broker told with it
	err     error // the log does not hold the offset that was asked for
}

// fetcher reads one partition ahead of its consumer: at most one page lies in pages and one is on its way.
type fetcher struct {
	client    *kafka.Client
	topic     string
	partition int
	maxBytes  int64
	wait      time.Duration // of the broker, for the first byte
	trouble   func(error)   // told of every fetch that went wrong, nil when one goes well again
	pages     chan page
}

// run fetches from offset on until ctx ends or the log does not hold the offset.
func (f *fetcher) run(ctx context.Context, offset int64) {
	defer close(f.pages)
	retry := backoff{}
	for ctx.Err() == nil {
		p, next, err := f.fetch(ctx, offset)
		if errors.Is(err, kafka.OffsetOutOfRange) {
			p = page{err: err}
		} else if err != nil {
			if ctx.Err() == nil {
				f.trouble(err)
			}
			retry.wait(ctx)
			continue
		}
		f.trouble(nil)
		retry = backoff{}
		offset = next
		if len(p.records) == 0 && p.err == nil {
			continue
		}
		select {
		case f.pages <- p:
		case <-ctx.Done():
		}
		if p.err != nil {
			return
		}
	}
}

// fetch gives the records from offset on, and the offset after them.
func (f *fetcher) fetch(ctx context.Context, offset int64) (page, int64, error) {
	res, err := f.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: f.topic, Partition: f.partition, Offset: offset, MinBytes: 1, MaxBytes: f.maxBytes, MaxWait: f.wait,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return page{}, offset, fmt.Errorf("fetch partition %d from %d: %w", f.partition, offset, err)
	}
	p := page{end: res.HighWatermark}
	next, err := p.read(res.Records, offset)
	if err != nil {
		return page{}, offset, fmt.Errorf("read partition %d from %d: %w", f.partition, offset, err)
	}
	return p, next, nil
}

// read takes the records that are not below offset. A broker may begin with earlier ones, as it sends whole batches, and
// send batches without a record for us, such as a transaction's end: those are passed over, one offset at least each time.
func (p *page) read(records kafka.RecordReader, offset int64) (next int64, err error) {
	next = offset
	for {
		r, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return offset, fmt.Errorf("read a record: %w", err)
		}
		if err := p.take(r, offset); err != nil {
			return offset, err
		}
		next = max(next, r.Offset+1)
	}
	if stream, ok := records.(*protocol.RecordStream); ok && next == offset && len(stream.Records) > 0 && offset < p.end {
		next = offset + 1
	}
	return next, nil
}

func (p *page) take(r *kafka.Record, offset int64) error {
	if r.Key != nil {
		defer r.Key.Close()
	}
	if r.Value == nil {
		r.Value = kafka.NewBytes([]byte{})
	}
	defer r.Value.Close()
	if r.Offset < offset {
		return nil
	}
	value := make([]byte, r.Value.Len())
	if _, err := io.ReadFull(r.Value, value); err != nil {
		return fmt.Errorf("read the value at %d: %w", r.Offset, err)
	}
	p.records = append(p.records, record{offset: r.Offset, at: r.Time.UnixMilli(), value: value})
	return nil
}
