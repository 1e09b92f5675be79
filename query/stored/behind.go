package stored

import (
	"context"
	"maps"
	"slices"

	"github.com/segmentio/kafka-go"
)

// Behind returns how many records of the topic have been acknowledged and not stored yet.
func (p *Progress) Behind(ctx context.Context) (n int64, err error) {
	ends, err := p.Ends(ctx)
	if err != nil {
		return 0, err
	}
	starts, err := p.offsets(ctx, len(ends), kafka.FirstOffset)
	if err != nil {
		return 0, err
	}
	committed, err := p.watcher.committed(ctx, slices.Sorted(maps.Keys(ends)))
	if err != nil {
		return 0, Fault(ctx, err)
	}
	for partition, end := range ends {
		n += max(0, end-max(starts[partition], committed[partition]))
	}
	return n, nil
}
