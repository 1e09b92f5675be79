package block

import (
	"slices"

	"github.com/ClickHouse/ch-go/proto"

	tables "github.com/activitylog/activitylog/schema/clickhouse"
)

const dayMillis = 24 * 3600 * 1000

// Week returns the Monday, in days since 1970, of the week of a moment (Unix ms). Every table is partitioned by the week of receipt.
func Week(ms int64) int64 {
	day := ms / dayMillis
	return max(0, day-(day+3)%7) // 1970-01-01 was a Thursday
}

type when struct {
	hour uint32 // of the entry's time, Unix s
	day  uint16 // of receipt, since 1970
}

func whenOf(r *Row) when {
	return when{hour: tables.Hour(r.Timestamp), day: tables.Day(r.ReceivedAt)}
}

// Kinds counts entries by tenant, hour, platform, action and day of receipt, for by_kind. Its zero value is ready for use. It is a
// hash table of its own, as Entities is, and keeps its rows in the order in which they were added.
type Kinds struct {
	tenants, platforms, actions dict
	rows                        []kindRow
	slots                       []uint32 // a row's number + 1, 0 for a free slot
}

type kindKey struct {
	when
	tenant, platform, action uint32
}

// Reset empties k and keeps its memory.
func (k *Kinds) Reset() {
	k.tenants.reset()
	k.platforms.reset()
	k.actions.reset()
	clear(k.slots)
	k.rows = k.rows[:0]
}

// Add counts r n times.
func (k *Kinds) Add(r *Row, n int64) {
	key := kindKey{whenOf(r), k.tenants.key(r.Tenant), k.platforms.key(r.Platform), k.actions.key(r.Action)}
	if 2*len(k.rows) >= len(k.slots) {
		k.grow()
	}
	at, found := k.find(&key)
	if found {
		k.rows[k.slots[at]-1].n += n
		return
	}
	k.rows = append(k.rows, kindRow{key, n})
	k.slots[at] = uint32(len(k.rows))
}

// find returns the slot of key, or the free slot where it belongs.
func (k *Kinds) find(key *kindKey) (at uint64, found bool) {
	mask := uint64(len(k.slots) - 1)
	for at = key.hash() & mask; k.slots[at] != 0; at = (at + 1) & mask {
		if k.rows[k.slots[at]-1].kindKey == *key {
			return at, true
		}
	}
	return at, false
}

func (k *Kinds) grow() {
	k.slots = make([]uint32, max(1<<10, 2*len(k.slots)))
	for i := range k.rows {
		at, _ := k.find(&k.rows[i].kindKey)
		k.slots[at] = uint32(i + 1)
	}
}

func (k *kindKey) hash() uint64 {
	h := (uint64(k.hour)<<32 | uint64(k.platform)<<16 ^ uint64(k.action)) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32 ^ uint64(k.tenant)<<16 ^ uint64(k.day)) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// Blocks returns the counts by rising week of receipt. Each must be inserted before the next. The last one carries the watermark,
// the offset up to which the partition has been counted: when it is stored, all of them are.
func (k *Kinds) Blocks(partition int, last int64) []Block {
	weeks := map[int64]*kindBlock{}
	for _, r := range k.rows {
		if r.n == 0 {
			continue
		}
		week := Week(int64(r.day) * dayMillis)
		b := weeks[week]
		if b == nil {
			b = &kindBlock{from: k}
			weeks[week] = b
		}
		b.rows = append(b.rows, r)
	}
	return inOrder(weeks, func(b *kindBlock, final bool) { b.finish(partition, last, final) })
}

type kindRow struct {
	kindKey
	n int64
}

type kindBlock struct {
	from                     *Kinds
	rows                     []kindRow
	tenant, platform, action dict
	hour                     proto.ColDateTime
	day                      proto.ColDate
	part                     proto.ColUInt16
	to                       proto.ColUInt64
	n                        proto.ColInt64
}

func (b *kindBlock) finish(partition int, last int64, final bool) {
	b.tenant, b.platform, b.action = b.from.tenants.share(), b.from.platforms.share(), b.from.actions.share()
	for _, r := range b.rows {
		b.tenant.appendKey(r.tenant)
		b.platform.appendKey(r.platform)
		b.action.appendKey(r.action)
		b.hour.Data = append(b.hour.Data, proto.DateTime(r.hour))
		b.day = append(b.day, proto.Date(r.day))
		b.part = append(b.part, uint16(partition))
		b.to = append(b.to, watermark(last, final))
		b.n = append(b.n, r.n)
	}
}

// share returns a dictionary with the same values and without rows.
func (c *dict) share() dict { return dict{index: c.index, values: c.values} }

// watermark returns the value of koff_to: 0 in all blocks but the last.
func watermark(last int64, final bool) uint64 {
	if !final {
		return 0
	}
	return uint64(last)
}

func (b *kindBlock) Rows() int { return len(b.rows) }

func (b *kindBlock) Columns() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: b.tenant.column()},
		{Name: "hour", Data: b.hour},
		{Name: "platform", Data: b.platform.column()},
		{Name: "action", Data: b.action.column()},
		{Name: "received", Data: b.day},
		{Name: "kpart", Data: b.part},
		{Name: "koff_to", Data: b.to},
		{Name: "n", Data: b.n},
	}
}

// inOrder returns the blocks by rising week, after a call of finish for each. final says that it is the last.
func inOrder[B Block](weeks map[int64]B, finish func(b B, final bool)) []Block {
	order := make([]int64, 0, len(weeks))
	for w := range weeks {
		order = append(order, w)
	}
	slices.Sort(order)
	out := make([]Block, 0, len(order))
	for i, w := range order {
		finish(weeks[w], i == len(order)-1)
		out = append(out, weeks[w])
	}
	return out
}
