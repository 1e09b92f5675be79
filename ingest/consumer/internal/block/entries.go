package block

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/activitylog/activitylog/schema/activitypb"
	"github.com/activitylog/activitylog/schema/words"
)

// Location is where an entry lies in its Kafka partition: the offset of its record, and its index within the record.
type Location struct {
	Offset int64
	Index  uint16
}

// Row is a row of the table activity: one entry with what its chunk and its location say about it.
type Row struct {
	*activitypb.Entry
	ID         uint64
	Tenant     string
	ReceivedAt int64 // Unix ms
	Location   Location
	Plain      bool // its texts are known to need no folding
}

// Entries is a block of the table activity. The zero value is ready for use. Reset keeps its memory.
type Entries struct {
	partition                  uint16
	tenant, action, platform   dict
	actorKind                  dict
	timestamp, receivedAt      proto.ColDateTime64
	id, offset                 proto.ColUInt64
	device, actorID, actorName text
	targets                    texts
	request, detail, details   text
	folded, extra              text
	part, index                proto.ColUInt16
	words                      []byte // of the row that is appended
}

// Reset empties b for rows of one Kafka partition.
func (b *Entries) Reset(partition int) {
	b.partition = uint16(partition)
	b.tenant.reset()
	b.action.reset()
	b.platform.reset()
	b.actorKind.reset()
	b.timestamp.Reset()
	b.receivedAt.Reset()
	b.id.Reset()
	b.offset.Reset()
	for _, c := range []*text{&b.device, &b.actorID, &b.actorName, &b.request, &b.detail, &b.details, &b.folded, &b.extra} {
		c.reset()
	}
	b.targets.reset()
	b.part.Reset()
	b.index.Reset()
}

// Append adds a row. It keeps no reference to r.
func (b *Entries) Append(r *Row) {
	b.tenant.appendKey(b.tenant.key(r.Tenant))
	b.action.appendKey(b.action.key(r.Action))
	b.platform.appendKey(b.platform.key(r.Platform))
	b.timestamp.AppendRaw(proto.DateTime64(r.Timestamp))
	b.receivedAt.AppendRaw(proto.DateTime64(r.ReceivedAt))
	b.id.Append(r.ID)
	b.device.append(r.Device)
	b.actorID.append(r.ActorId)
	b.actorName.append(r.ActorName)
	b.actorKind.appendKey(b.actorKind.key(r.ActorKind))
	b.targets.append(r.Targets)
	b.request.append(r.RequestId)
	b.detail.append(r.Detail)
	b.details.appendBytes(r.Details)
	b.words = b.words[:0]
	if !r.Plain {
		b.words = words.AppendFolded(b.words, r.Detail, r.Details)
	}
	b.folded.appendBytes(b.words)
	b.extra.appendBytes(r.Extra)
	b.part.Append(b.partition)
	b.offset.Append(uint64(r.Location.Offset))
	b.index.Append(r.Location.Index)
}

// Rows returns the number of rows.
func (b *Entries) Rows() int { return len(b.id) }

// Location is where row i lies in Kafka.
func (b *Entries) Location(i int) Location {
	return Location{Offset: int64(b.offset[i]), Index: b.index[i]}
}

// Columns returns the columns by their names in the table.
func (b *Entries) Columns() proto.Input {
	b.timestamp.WithPrecision(proto.PrecisionMilli)
	b.receivedAt.WithPrecision(proto.PrecisionMilli)
	return proto.Input{
		{Name: "tenant", Data: b.tenant.column()},
		{Name: "timestamp", Data: b.timestamp},
		{Name: "id", Data: b.id},
		{Name: "received_at", Data: b.receivedAt},
		{Name: "action", Data: b.action.column()},
		{Name: "platform", Data: b.platform.column()},
		{Name: "device", Data: &b.device},
		{Name: "actor_id", Data: &b.actorID},
		{Name: "actor_name", Data: &b.actorName},
		{Name: "actor_kind", Data: b.actorKind.column()},
		{Name: "targets", Data: &b.targets},
		{Name: "request_id", Data: &b.request},
		{Name: "detail", Data: &b.detail},
		{Name: "details", Data: &b.details},
		{Name: "folded", Data: &b.folded},
		{Name: "extra", Data: &b.extra},
		{Name: "kpart", Data: b.part},
		{Name: "koff", Data: b.offset},
		{Name: "kidx", Data: b.index},
	}
}
