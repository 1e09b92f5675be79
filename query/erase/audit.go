package erase

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/activitylog/activitylog/schema"
)

// actionErase is the action of audit entries.
const actionErase = "activity.erase"

// audit publishes an audit entry about x, which erased n entries, to one of the partitions, and returns its position. Its record has no
// ids: the entries of this service are rare, and an entry without a leased id gets one that follows from its offset (schema.ForeignID). Its
// event key is the id of x, so that a record that was sent twice is stored once.
func (p publisher) audit(ctx context.Context, x *erasure, n uint64) (schema.Position, error) {
	details, err := json.Marshal(struct {
		What         string `json:"what"`
		DeletedCount uint64 `json:"deletedCount"`
		Position     string `json:"position"`
	}{x.what, n, x.before.String()})
	if err != nil {
		return nil, fmt.Errorf("write an audit entry: %w", err)
	}
	now := time.Now().UnixMilli()
	var c schema.Chunk
	c.Reset(x.by.Tenant, now)
	entry := schema.Entry{Timestamp: now, Action: actionErase, ActorID: x.by.Subject, Details: string(details)}
	c.Add(&entry, &schema.EventKey{Hash: x.id, Body: 1})
	c.Seal(0)
	partition := slices.Min(slices.Collect(maps.Keys(x.before)))
	offset, err := p.publish(ctx, partition, schema.AppendChunk(schema.AppendRecordHeader(nil), &c))
	if err != nil {
		return nil, fmt.Errorf("write an audit entry: %w", err)
	}
	return schema.Position{partition: x.log.Absolute(partition, offset)}, nil
}
